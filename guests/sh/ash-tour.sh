# A tour of the shell: lists, jobs, traps, redirections, limits, pipes, signals, files. It prints only what does not change
# from run to run, and uses nothing but busybox (its applets come before $PATH). To be run in an empty folder.
echo a | tr a b | cat -n
(echo sub; exit 3); echo $?
x=$(echo cs; exit 4); echo "$x $?"
sleep 0.1 & p=$!; wait $p; echo w $?
(exit 7) & wait $!; echo w $?
sh -c 'kill -9 $$'; echo $?
sh -c 'kill -TERM $$'; echo $?
sh -c 'kill -SEGV $$'; echo $?
sh -c 'kill -INT $$'; echo $?
sh -c 'kill -PIPE $$'; echo $?
sleep 5 & kill $!; wait $!; echo killed $?
trap 'echo got usr1' USR1; kill -USR1 $$; echo after
trap 'echo int' INT; kill -INT $$; echo after int
cat <<E
here $x $((1+2)) `echo bt`
E
cat <<'E'
here $x $((1+2))
E
cat <<-E
	tabbed
	E
yes | head -3; echo $?
yes | head -1 >/dev/null; echo $?
seq 1 100000 | tail -1
echo one two three | { read a b; echo "$a,$b"; }
while read l; do echo "<$l>"; done <<E
l1
l2 \
cont
E
mkdir g; touch g/a.c g/b.c g/.h g/d.txt; echo g/*; echo g/*.c; echo g/[ab].?; echo g/.*; echo g/x*
f() { local v=1; echo f $# $1 $v; return 5; }; f x y; echo $?
(set -e; false; echo no); echo e $?
(set -e; if false; then :; fi; ! true; echo reached; false | true; echo also; true | false; echo no)
echo e $?
(set -u; echo $undefined_var; echo no); echo u $?
test -d g && echo dir; test -f g/a.c && echo file; [ 1 -lt 2 ] && echo lt; [ a = b ]; echo $?
printf '%d %s %x %o %5.2f|%-5s|%05d %c %b %%\n' 1 s 255 8 3.14159 ab 42 z 'a\tb'
exec 3>out3; echo to3 >&3; exec 3>&-; cat out3; echo x >&3; echo $?
exec 4<out3; read l <&4; echo $l; exec 4<&-
echo err >&2; { echo o; echo e >&2; } >both 2>&1; cat both
ls nonexistent; echo $?
ls nonexistent 2>/dev/null; echo $?
: > empty; wc -c empty; echo app >> empty; echo app2 >>empty; cat empty
exec 5<>rw; echo hello >&5; exec 5>&-; cat rw
set -C; echo x > rw; echo $?; echo y >| rw; cat rw; set +C
cat nofile | cat; echo $?
set -o pipefail; false | true; echo pf $?; set +o pipefail
( ( ( exit 9 ); echo $?; exit 10 ); echo $? ); echo $?
/nonexistent/prog; echo $?
nosuchcmd; echo $?
touch noexec; ./noexec; echo $?
./g; echo $?
echo 'echo from script $0 $1' > s.sh; chmod +x s.sh; ./s.sh arg
echo 'bogus' | sh; echo $?
eval 'echo ev $((2**10)) $((7/2)) $((7%3)) $((1<<4)) $((0x1f)) $((010))'
trap '' INT; sh -c 'trap; kill -INT $$; echo ignored'; trap - INT
trap 'echo a' USR1 USR2; trap; kill -USR2 $$; trap - USR1; kill -l 10; kill -l USR1
sh -c 'trap "echo in exit" EXIT; kill -TERM $$'; echo $?
sh -c 'trap "echo in exit" EXIT; exit 3'; echo $?
sh -c 'trap "echo t; exit 5" TERM; kill $$; echo no'; echo $?
( trap 'echo sub exit' EXIT; true )
ulimit -n 20; ulimit -n; ulimit -c 0; ulimit -c; ulimit -s; ulimit -u >/dev/null; ulimit -f; ulimit -t
sh -c 'ulimit -f 1; yes | head -c 100000 > big; echo $?'; echo $?; wc -c < big
wait 99999; echo $?
{ sleep 0.2; echo late; } | { sleep 0.1; echo early; cat; }
mkfifo p; echo via fifo > p & cat p; wait
mkfifo p2; (cat < p2; echo reader done) & exec 7>p2; echo a >&7; echo b >&7; exec 7>&-; wait
echo ppid ok; sh -c '[ $PPID = '$$' ] && echo yes'
x=1; (x=2; echo $x); echo $x; x=3 sh -c 'echo $x'; echo $x; 
echo "$-" | tr -d '\n' ; echo; echo $#; set -- a "b c" d; echo $# "$2"; shift; echo "$*"; for i; do echo "[$i]"; done
case foo in f*) echo match;; *) echo no;; esac
i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done; until [ $i = 0 ]; do i=$((i-1)); done; echo $i
IFS=:; set -- $(echo a:b:c); echo $2; unset IFS
( trap 'echo t1' TERM; sleep 0.5 & wait; echo interrupted ) & p=$!; sleep 0.2; kill -TERM $p; wait $p; echo $?
sh -c 'kill -STOP $$; echo resumed' & p=$!; sleep 0.2; grep State /proc/$p/status; kill -CONT $p; wait $p; echo $?
sh -c 'exec 1>&-; echo x'; echo closed $?
exec 6>&1; exec >redir; echo into file; exec 1>&6 6>&-; cat redir
cat < redir > redir2 2>/dev/null; cat redir2; cat 0<redir; { cat; } <redir
ln -s loop loop; cat loop; ln -s nowhere dangling; cat dangling; ls -l dangling | awk '{print $9,$10,$11}'; echo x > dangling; cat nowhere
mkdir -p a/b/c; cd a/b/c; cd ../..; ls -d b; cd ..; rmdir -p a/b/c; ls -d a; mkdir ro; chmod 555 ro; echo x > ro/f && echo rootcan; 
touch -t 202001010000 old;  find . -newer old -name f1; find . -type l | sort; find . -perm 555; find . -empty -type f | sort; find . -name 'f[12]' -delete; ls f1
printf '%s\n' a b c > lines; sed -i 's/b/B/' lines; cat lines; sed -n '$=' lines; tr -d '\n' < lines; echo; sort -u lines lines; sort -c lines; echo $?; uniq -d lines; grep -n B lines; grep -c . lines; grep -q nosuch lines; echo $?; grep -r B lines; grep -E '^(a|c)$' lines; grep -v a lines; grep -o '[a-z]' lines; grep x nofile; echo $?
tar cf - lines old | tar tf -; tar xf nofile; echo $?; echo garbage > g.gz; gunzip g.gz; echo $?; gzip lines; gzip -t lines.gz; echo $?; zcat lines.gz; tar czf x.tgz old nofile; echo $?; bzip2 -t g.gz; echo $?; echo "xz:"; unxz < g.gz; echo $?
trap 'echo bye' EXIT
exit 7
