#!/bin/bash
# Installs the API from the folder in which this lies, and starts it: install.sh <file of its settings>. It takes Python 3.12 with
# pip, and no network. A trial sets PREFIX, which stands before every path that this writes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${PREFIX:-}
home=$root/opt/totesys-api

install --directory "$home" "$root/var/log/totesys-api" "$root/etc/systemd/system/logrotate.timer.d" "$root/etc/logrotate.d"
cp --recursive "$here/code" "$home/code"
python3.12 -m venv --without-pip "$home/venv"
python3.12 -m pip --python "$home/venv/bin/python" install --quiet --disable-pip-version-check --root-user-action=ignore \
    --no-index --find-links "$here/wheels" --requirement "$here/requirements.txt"
# Who runs it may not write here.
"$home/venv/bin/python" -m compileall -q "$home/code"

install --mode=644 "$1" "$root/etc/totesys-api.env"
install --mode=644 "$here/logrotate.conf" "$root/etc/logrotate.d/totesys-api"
install --mode=644 "$here/logrotate.timer" "$root/etc/systemd/system/logrotate.timer.d/often.conf"
install --mode=644 "$here/totesys-api.service" "$root/etc/systemd/system/totesys-api.service"
systemctl daemon-reload
systemctl enable --now logrotate.timer totesys-api.service
