"""The evaluation protocols, one file each: how users are split, and how much of a user's events is kept."""
