#!/bin/sh
# Collects every string of the pages into the catalogs, leaves what was translated as it is, and says what is missing.
# `messages.sh fr` begins a new language.
set -eu
cd "$(dirname "$0")/.."
languages=${*:-$(ls registryui/locale | grep -v -e __ -e '^en$')}
for language in $languages; do
    mkdir -p "registryui/locale/$language/LC_MESSAGES"
    .venv/bin/python manage.py makemessages --locale "$language" --no-obsolete --no-wrap --add-location file \
        --ignore var --ignore tests --ignore benchmarks --ignore prune --ignore build
    # When it was collected says nothing, and comes in the way of every merge.
    sed -i '/^"POT-Creation-Date:/d' "registryui/locale/$language/LC_MESSAGES/django.po"
done
.venv/bin/python -m registryui.catalogs
for language in $languages; do
    msgfmt --statistics --output-file /dev/null "registryui/locale/$language/LC_MESSAGES/django.po"
done
