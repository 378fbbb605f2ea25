"""The name under which `pip install .` brings this project; in a checkout its folders stand beside this one."""
