#!/bin/sh
# Prepares .venv and the Debian packages that the given purpose needs: `setup.sh run`, `test` or `bench`.
# Says nothing and takes milliseconds when everything is there already.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in "${PYTHON:-}" python3.13 python3.12 python3.14 python3 python; do
        [ -n "$name" ] || continue
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
    return 1
}

# need COMMAND PACKAGE: remembers the Debian package when the command is not there.
missing=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }

need dot graphviz
if [ "$purpose" != run ]; then
    need docker-registry docker-registry
    need skopeo skopeo
    need htpasswd apache2-utils
    need chromium chromium
    need dockerd docker.io
    need redis-server redis-server
    need xgettext gettext
    # Its programs lie in a folder for each version, beside the PATH.
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi

[ "$purpose" = bench ] && need wrk wrk

if [ -n "$missing" ]; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    if command -v apt-get >/dev/null 2>&1 && { [ -z "$as_root" ] || $as_root true 2>/dev/null; }; then
        say "Installing Debian packages:$missing"
        log=$(mktemp)
        # shellcheck disable=SC2086
        if ! { $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            say "Could not install:$missing. Please install these packages, then run this again."
            exit 1
        fi
        rm -f "$log"
    else
        say "Please install these packages first (they are needed to $purpose):$missing"
        exit 1
    fi
fi

lock=requirements/base.txt
[ "$purpose" != run ] && lock=requirements/dev.txt
stamp=.venv/.installed-$(basename "$lock" .txt)
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    python=$(find_python) || {
        say "registryui needs Python 3.12 or newer with its venv module (on Debian: python3 python3-venv). None was found."
        exit 1
    }
    say "Making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
if ! cmp -s "$lock" "$stamp"; then
    say "Installing Python packages from $lock"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
    cp "$lock" "$stamp"
fi

for catalog in registryui/locale/*/LC_MESSAGES/django.po; do
    if [ ! "${catalog%.po}.mo" -nt "$catalog" ]; then
        .venv/bin/python -m registryui.catalogs
        break
    fi
done

# The project itself: a path file and the `prune` command, cheaper at every start than an editable install.
here=$(pwd -P)
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$here" >"$site/registryui.pth"
cat >.venv/bin/prune <<EOF
#!/bin/sh
exec "$here/.venv/bin/python" -I -S -c 'import sys; sys.path[:0] = ["$here", "$site"]
from prune.cli import command; command()' "\$@"
EOF
chmod +x .venv/bin/prune
