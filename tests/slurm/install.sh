#!/bin/sh
# Installs SLURM for the tests: in CI, or where ETUDE_SLURM_TESTS=install asks for it.
#
# Needs root and apt-get; says what is missing otherwise, and the tests then say why they skip.
# Nothing is started, and no service is left enabled that was not there before.
set -eu

if [ "${ETUDE_SLURM_TESTS:-}" = off ]; then exit 0; fi
if [ -z "${CI:-}" ] && [ "${ETUDE_SLURM_TESTS:-}" != install ]; then exit 0; fi

PATH=$PATH:/usr/sbin:/sbin
missing=
for command in munged slurmctld slurmd slurmdbd sbatch mariadbd mariadb-install-db; do
    command -v "$command" >/dev/null || missing="$missing $command"
done
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "install.sh: SLURM is missing ($missing ) and needs root and apt-get to be installed" >&2
    exit 0
fi

# The packages would start their services, which have no configuration yet.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3; do
    if { apt-get update && apt-get install --yes --no-install-recommends \
        munge slurmctld slurmd slurm-client slurmdbd slurm-wlm-mysql-plugin \
        mariadb-server-core mariadb-client-core; } >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    echo "install.sh: attempt $attempt failed" >&2
    sleep 5
done
tail -n 30 "$log" >&2
exit 1
