#!/bin/sh
# Prints skiff's version: the tag where this commit has one, else the newest
# heading of CHANGELOG.md and the commit. Without git (a tarball): the heading.
cd "$(dirname "$0")/.." || exit 1
heading=$(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
tag=$(git describe --tags --exact-match 2>/dev/null)
commit=$(git rev-parse --short=9 HEAD 2>/dev/null)
if [ -n "$tag" ]; then
	echo "${tag#v}"
elif [ -n "$commit" ]; then
	echo "$heading-dev+$commit"
else
	echo "$heading"
fi
