#!/usr/bin/env bash
# The innermost loops of the register tiles keep their accumulators in registers: no fused multiply-add loop of the AVX2 and AVX-512
# kernels moves a vector to or from the stack. (g++ 12 spills such arrays when a loop over them is not unrolled, at a third of the speed.)
#   hot_loops.sh BINARY
set -euo pipefail
command -v objdump >/dev/null || { echo "objdump (package binutils) is missing"; exit 1; }
objdump -d -C --no-show-raw-insn "$1" | awk '
  function check(  i, j, jump, fma, bad, inner) {
    for (i = 0; i < n; ++i) {
      jump = target[i]
      if (jump == "" || !(jump in line) || line[jump] >= i) continue
      fma = 0; bad = ""; inner = 1
      for (j = line[jump]; j <= i; ++j) {
        if (j < i && target[j] != "" && (target[j] in line) && line[target[j]] < j && line[target[j]] >= line[jump]) inner = 0
        if (text[j] ~ /vfn?madd/) ++fma
        if (text[j] ~ /\(%rsp|-0x[0-9a-f]+\(%rbp\)/ && text[j] ~ /%[xyz]mm[0-9]+/) bad = text[j]
      }
      if (!inner || fma == 0) continue
      ++loops
      if (bad != "") { print "stack reference in a hot loop of " name ":\n  " bad; ++failed }
    }
  }
  /^[0-9a-f]+ <.*>:$/ { if (n) check(); n = 0; delete line; delete target; delete text
    name = $0; keep = name ~ /(RegisterTile|GatherTile|NarrowTile|ScalarRows|LaneProducts)</ && name ~ /N_AVX[23]/; next }
  keep && /^ +[0-9a-f]+:/ { address = $1; sub(":", "", address); line[address] = n; text[n] = $0; target[n] = ""
    if ($2 ~ /^j/) target[n] = $3
    ++n }
  END { if (n) check(); print loops + 0 " hot loops scanned, " failed + 0 " touch the stack"; exit failed > 0 || loops < 50 }
'
