# What short scripts do: arithmetic, string operations, functions, case.
i=0 sum=0
add() { sum=$((sum + $1)); }
while [ $i -lt 200 ]; do
  i=$((i + 1))
  case $i in *7*) add ${#i} ;; *) add 1 ;; esac
  s=x$i.tail
  s=${s%.tail}
done
echo "$sum $s"
