#!/usr/bin/env python3
"""Counts what meson wrote of a test run: passed, failed, skipped. Fails if no test ran."""

import json
import sys

GOOD = {"OK", "EXPECTEDFAIL"}

passed = failed = skipped = 0
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        result = json.loads(line)["result"]
        if result in GOOD:
            passed += 1
        elif result == "SKIP":
            skipped += 1
        else:
            failed += 1
if passed + failed == 0:
    sys.exit(1)
print(passed, failed, skipped)
