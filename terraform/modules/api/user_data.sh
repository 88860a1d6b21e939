#!/bin/bash
# Installs the API on a new instance of Amazon Linux 2023, from its repositories and the bucket of the package alone. What this
# says goes to the log group, too. An instance on which it fails never becomes healthy, and is replaced.
set -euo pipefail
dnf install --assumeyes --quiet python3.12 python3.12-pip logrotate amazon-cloudwatch-agent
folder=$(mktemp --directory)

cat >"$folder/logs.json" <<'END'
${logs}
END
PATH=$PATH:/opt/aws/amazon-cloudwatch-agent/bin amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c "file:$folder/logs.json"

cat >"$folder/settings" <<'END'
%{ for name, value in settings ~}
${name}=${value}
%{ endfor ~}
END
aws s3api get-object --region '${region}' --bucket '${bucket}' --key '${key}' --version-id '${version}' "$folder/api.zip" >"$folder/object"
python3.12 -m zipfile --extract "$folder/api.zip" "$folder"
bash "$folder/install.sh" "$folder/settings"
rm --recursive "$folder"
