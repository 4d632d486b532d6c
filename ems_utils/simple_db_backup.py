#!/bin/sh
# The existing system's script by its name, path and options; the work is done by `bin/busbar`.
# Both a shell and Python can run this file: `./simple_db_backup.py -b …`, `python3 simple_db_backup.py -b …`.
''':'
exec "$(dirname "$(readlink -f "$0")")/../bin/busbar" simple_db_backup "$@"
'''
import os
import sys

busbar = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "bin", "busbar")
os.execv(busbar, [busbar, "simple_db_backup", *sys.argv[1:]])
