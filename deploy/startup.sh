#!/bin/bash
# Runs in every container of the environment, before its packages are installed and Airflow starts.
# Nothing needs to be set up. It says in the log what explains wheels that cannot be installed.
python3 -c 'import sys; sys.version_info[:2] == (3, 12) or print("plugins.zip holds wheels for Python 3.12, and this is", sys.version)'
