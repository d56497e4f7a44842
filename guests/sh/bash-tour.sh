#!/bin/bash
# A tour of bash: arrays, functions, process substitution, traps, jobs, coprocesses, expansions, redirections.
# It prints only what does not change from run to run, and uses no command but bash's own. TMPDIR: an empty folder.
set -u
LC_ALL=C
section() { printf '== %s\n' "$*"; }

section arrays
list=(alpha beta gamma "two words" "")
printf '%d items, third %s, last <%s>\n' "${#list[@]}" "${list[2]}" "${list[-1]}"
list+=(delta)
unset 'list[1]'
printf '<%s>' "${list[@]}"; echo " indices ${!list[*]}"
printf '%s\n' "${list[@]:2:2}"
sparse=([5]=five [10]=ten [7]=seven)
for i in "${!sparse[@]}"; do printf '%s=%s ' "$i" "${sparse[$i]}"; done; echo
declare -A map=([one]=1 [two]=2 [three]=3)
map[four]=4
total=0
for k in "${!map[@]}"; do ((total += map[$k])); done
echo "keys ${#map[@]} total $total two=${map[two]} none=${map[none]-unset}"
mapfile -t lines < <(for n in 3 1 2; do echo "line $n"; done)
echo "${#lines[@]} lines: ${lines[*]}"

section functions
factorial() {
  local n=$1
  if ((n <= 1)); then echo 1; else echo $((n * $(factorial $((n - 1))))); fi
}
echo "10! = $(factorial 10)"
by_reference() { local -n target=$1; target+=" changed"; }
value=original
by_reference value
echo "$value"
status() { return "$1"; }
status 3; echo "status $?"
status 0 && echo yes || echo no
! status 1; echo "negated $?"
outer() { inner() { echo "${FUNCNAME[0]} called by ${FUNCNAME[1]}"; }; inner; }
outer
fib() { local -i a=0 b=1 i; for ((i = 0; i < $1; i++)); do ((b += a, a = b - a)); done; echo "$a"; }
for n in 10 20 50 90; do printf 'fib(%d)=%s ' "$n" "$(fib "$n")"; done; echo

section expansions
path=/usr/local/share/doc/file.tar.gz
echo "${path##*/} ${path%/*} ${path%%.*} ${path#*.} ${path//\//:} ${path/local/LOCAL}"
word="Hello, World"
echo "${#word} ${word:7} ${word:0:5} ${word: -5:3} ${word^^} ${word,,} ${word~~}"
unset maybe
echo "${maybe-default} ${maybe:=assigned} ${maybe:+set} $maybe"
echo {a,b,c}{1..3} {01..10..3} {z..v}
echo $((0x1f + 010 + 2#1011)) $((7 % 3)) $((-7 / 2)) $((1 << 40)) $((2 ** 62)) $((5 > 3 ? 10 : 20))
printf '%05d|%-8s|%8.3f|%x|%o|%q|%b|%c\n' 42 left 3.14159 255 8 'a b$c' 'tab\there' xyz
printf -v stored '%s-%s' one two; echo "$stored"
echo "$(printf '%s\n' c a b | while read -r x; do echo "<$x>"; done)"
IFS=: read -r user _ uid rest <<<"root:x:0:0:root:/root"
echo "$user $uid $rest"
[[ abc123def =~ ([a-z]+)([0-9]+)(.*) ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${BASH_REMATCH[3]}"
[[ file.txt == *.txt && ! file.txt == *.gz ]] && echo glob
case abc in a*c) echo case-star ;;& *b*) echo case-b ;; *) echo never ;; esac
shopt -s extglob
case foobar in @(foo|baz)bar) echo extglob ;; esac
x=5; ((x++, x *= 2)); echo "$x $((x--)) $x"

section redirections
dir=${TMPDIR:-/tmp} # empty, the caller's to clean up
cd "$dir" || exit 1
exec 3>out
echo first >&3
echo second >&3
exec 3>&-
while read -r l; do echo "got $l"; done <out
echo appended >>out
exec 4<out
read -r -u 4 a; read -r -u 4 b; echo "$a/$b"
exec 4<&-
{ echo to-stdout; echo to-stderr >&2; } >both 2>&1
echo "$(<both)"
cat_() { while IFS= read -r l || [[ $l ]]; do printf '%s\n' "$l"; done; }
cat_ <<END
expanded $((6 * 7)) ${word}
END
cat_ <<'END'
not expanded $((6 * 7)) ${word}
END
cat_ <<-END
	tabs stripped
	END
cat_ <<<"here string"
set -o noclobber
{ echo again >out; } 2>/dev/null || echo "noclobber kept it"
set +o noclobber
echo "globs: $(echo *)"
[[ -f out && -s out && ! -e missing && -d . ]] && echo tests

section pipes
seq_() { local i; for ((i = $1; i <= $2; i++)); do echo "$i"; done; }
seq_ 1 100 | { s=0; while read -r n; do ((s += n)); done; echo "sum $s"; }
seq_ 1 5 | while read -r n; do echo $((n * n)); done | { read -r a; read -r b; echo "$a $b"; }
false | true | status 4 | true
echo "pipestatus ${PIPESTATUS[*]}"
set -o pipefail
false | true; echo "pipefail $?"
set +o pipefail
(x=inner; cd /; exit 7); echo "subshell $? $x ${PWD##*/tour*}" | { read -r a b c _; echo "$a $b $c"; }

section "process substitution"
diff_() {
  local a b n=0
  while read -r a <&5 && read -r b <&6; do [[ $a == "$b" ]] || ((n++)); done 5<"$1" 6<"$2"
  echo "$n lines differ"
}
diff_ <(seq_ 1 10) <(seq_ 1 5; seq_ 7 11)
seq_ 1 3 > >(while read -r n; do echo "sub $n"; done)
wait $!
paste_() { local a b; while read -r a <&7 && read -r b <&8; do echo "$a-$b"; done 7< <(seq_ 1 3) 8< <(seq_ 11 13); }
paste_

section traps
(trap 'echo "exit trap, status $?"' EXIT; exit 5); echo "after $?"
(trap 'echo usr1; done=1' USR1; done=0; kill -USR1 $BASHPID; while ((!done)); do :; done; echo "handled")
(trap 'echo "err at $BASH_COMMAND"' ERR; false; true)
(trap 'echo "return trap"' RETURN; f() { echo in f; }; declare -t f; f; trap - RETURN)
(trap '' TERM; kill -TERM $BASHPID; echo "survived TERM")
(trap 'echo debug:$BASH_COMMAND' DEBUG; true; : ok) | { read -r a; echo "$a"; while read -r _; do :; done; }
(trap 'echo int; exit 9' INT; kill -INT $BASHPID; echo never); echo "int $?"
{ (kill -KILL $BASHPID); } 2>/dev/null; echo "killed $?"

section jobs
(exit 3) & first=$!
(exit 4) & second=$!
wait "$first"; echo "first $?"
wait "$second"; echo "second $?"
for i in 1 2 3 4; do (exit "$i") & pids[i]=$!; done
s=0; for i in 1 2 3 4; do wait "${pids[$i]}"; ((s += $?)); done; echo "sum of statuses $s"
{ read -r -t 5 line; echo "background got $line"; } < <(echo data) & wait
coproc adder { while read -r a b; do echo $((a + b)); done; }
echo 20 22 >&"${adder[1]}"; read -r answer <&"${adder[0]}"; echo "coprocess $answer"
echo 1 2 >&"${adder[1]}"; read -r answer <&"${adder[0]}"; echo "coprocess $answer"
closing=${adder[1]}; exec {closing}>&-; wait "$adder_PID"; echo "coprocess ended $?"
{ for i in 1 2 3; do echo "tick $i"; done; } | { while read -r t; do echo "$t"; done; }
if read -r -t 0.05 never < <(read -r -t 2 _ </dev/zero); then echo unexpected; else echo "timed out: $(($? > 128 || $? == 1))"; fi

section "control flow"
for ((i = 0, j = 10; i < j; i += 3, j--)); do printf '%d,%d ' "$i" "$j"; done; echo
until ((x <= 0)); do ((x -= 4)); done; echo "x $x"
for a in 1 2 3; do for b in 1 2 3; do ((b == 2)) && continue 2; ((a == 3)) && break 2; printf '%d%d ' "$a" "$b"; done; done; echo
n=0; while :; do ((++n > 5)) && break; done; echo "n $n"
select choice in red green; do echo "chose $choice"; break; done <<<2 2>/dev/null
eval 'dynamic_name=42'; echo "$dynamic_name"
name=dynamic_name; echo "${!name}"
getopts_() { local OPTIND o; while getopts 'ab:c' o; do printf '%s:%s ' "$o" "${OPTARG-}"; unset OPTARG; done; shift $((OPTIND - 1)); echo "rest $*"; }
getopts_ -a -b value -c one two
primes=(); for ((n = 2; n < 60; n++)); do for ((d = 2; d * d <= n; d++)); do ((n % d)) || continue 2; done; primes+=("$n"); done
echo "${primes[*]}"
sorted=(9 2 7 4 1); for ((i = 0; i < 5; i++)); do for ((j = 0; j < 4 - i; j++)); do
  ((sorted[j] > sorted[j + 1])) && { t=${sorted[j]}; sorted[j]=${sorted[j + 1]}; sorted[j + 1]=$t; }
done; done; echo "${sorted[*]}"

section programs
hanoi() { # disks from to via
  (($1 == 0)) && return
  hanoi $(($1 - 1)) "$2" "$4" "$3"
  moves+=("$2$3")
  hanoi $(($1 - 1)) "$4" "$3" "$2"
}
moves=()
hanoi 5 A C B
echo "${#moves[@]} moves, the first ${moves[*]:0:5}"
text='the quick brown fox jumps over the lazy dog and the fox runs'
declare -A count=()
for w in $text; do ((count[$w]++)); done
for w in the fox dog; do printf '%s:%d ' "$w" "${count[$w]}"; done; echo
reverse() { local s=$1 r='' i; for ((i = ${#s} - 1; i >= 0; i--)); do r+=${s:i:1}; done; echo "$r"; }
reverse 'a man a plan'
gcd() { local a=$1 b=$2; while ((b)); do ((t = a % b, a = b, b = t)); done; echo "$a"; }
echo "gcd $(gcd 1071 462)"
to_binary() { local n=$1 b=''; while ((n)); do b=$((n & 1))$b; ((n >>= 1)); done; echo "${b:-0}"; }
echo "$(to_binary 10) $(to_binary 255) $((2#$(to_binary 77)))"
collatz() { local n=$1 k=0; while ((n != 1)); do ((n = n & 1 ? 3 * n + 1 : n / 2, k++)); done; echo "$k"; }
echo "collatz(27) $(collatz 27)"
matrix_a=(1 2 3 4) matrix_b=(5 6 7 8) product=()
for i in 0 1; do for j in 0 1; do
  s=0
  for k in 0 1; do ((s += matrix_a[i * 2 + k] * matrix_b[k * 2 + j])); done
  product+=("$s")
done; done
echo "product ${product[*]}"
rot13() { local s=$1 o='' c i; local abc=abcdefghijklmnopqrstuvwxyz
  for ((i = 0; i < ${#s}; i++)); do
    c=${s:i:1}; before=${abc%%"$c"*}
    if ((${#before} < 26)); then o+=${abc:(${#before} + 13) % 26:1}; else o+=$c; fi
  done; echo "$o"; }
echo "$(rot13 'hello there') $(rot13 "$(rot13 'and back')")"
queue=(); for n in 5 6 7; do queue+=("$n"); done
while ((${#queue[@]})); do printf '%s ' "${queue[0]}"; queue=("${queue[@]:1}"); done; echo "empty"
echo "shell level ok: $((SHLVL > 0)), seconds ok: $((SECONDS >= 0)), random ok: $((RANDOM < 32768))"
[ "$(type -t section)" = function ] && [ "$(type -t cd)" = builtin ] && echo types
cd / && { : >"$dir/x"; } && echo done
exit 17
