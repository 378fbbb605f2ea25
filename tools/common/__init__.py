"""What every room uses: files, errors, progress, rows of different length, processes."""
