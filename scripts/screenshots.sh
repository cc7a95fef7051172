#!/usr/bin/env bash
# Makes the pictures of the console in docs/console anew.
exec "$(dirname "${BASH_SOURCE[0]}")/browser.sh" -screenshots
