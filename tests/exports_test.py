#!/usr/bin/env python3
"""What the library exports, what its version script says and what the header declares are one list: exports_test.py LIBRARY MAP HEADER"""

import re
import subprocess
import sys

library, script, header = sys.argv[1:4]
out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
exported = {line.split()[-1].split("@")[0] for line in out.splitlines() if line.split()[-2] in "TDBRVW"}
listed = set(re.findall(r"^\s+(backstay_\w+);", open(script, encoding="utf-8").read(), re.M))
declared = set(re.findall(r"BACKSTAY_(?:API|CALL)\b[^;{]*?\b(backstay_\w+)\(", open(header, encoding="utf-8").read()))
declared.discard("backstay_status")

failed = False
for name, found in (("version script", listed), ("header", declared)):
    for symbol in sorted(exported ^ found):
        print(f"{symbol}: {'exported, not in the' if symbol in exported else 'not exported, but in the'} {name}")
        failed = True
sys.exit(1 if failed else 0)
