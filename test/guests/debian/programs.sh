# Debian's programs at work; what they print is compared. Run by bash in a scratch /tmp of its root.
cd /tmp
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' LC_ALL=C
echo "== git"
git init -q -b main src; cd src; for i in $(seq 40); do seq $i 300 > f$i; done; mkdir d; echo x > d/y; git add .; git commit -qm one; git mv f1 g1; echo more >> f2; git commit -qam two; git log --stat --oneline | tail -5; git gc -q; cd ..
git clone src dst 2>&1; cd dst; git log --oneline; git status -sb; git diff HEAD~1 --stat | tail -3; git fsck 2>&1; git branch -r; cd ..; git clone -q --bare --no-local src bare; git -C bare count-objects -v | grep -v size; sha256sum dst/f* | sha256sum
echo "== gcc"
cat > h.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <math.h>
int main(int c, char **v) { printf("Hello, %s %d %.3f\n", v[0], c, sqrt(atof("2"))); return 3; }
C
gcc -O2 -Wall -g -o h h.c -lm; echo $?; ./h a b; echo $?; gcc -O2 -S -o - h.c | sha256sum; gcc -static -o hs h.c -lm && ./hs; nm h | grep -c .; objdump -d h | grep -c .; echo 'int main(){return x;}' > bad.c; gcc bad.c 2>&1; echo $?
echo "== perl"
perl -e 'use POSIX; use Data::Dumper; $Data::Dumper::Sortkeys=1; my %h=map{$_=>$_**2}1..5; print Dumper(\%h); printf "%s\n", join ",", sort { $b <=> $a } values %h; print strftime("%Y", gmtime(0)), "\n"; open(P,"-|","ls /usr/share/perl | head -2"); print <P>; close P; my $pid=fork; if(!$pid){exit 7} waitpid $pid,0; print $?>>8,"\n"; $SIG{ALRM}=sub{die "alarm\n"}; eval{alarm 1; select undef,undef,undef,5}; print $@; use Socket; socketpair(A,B,AF_UNIX,SOCK_STREAM,0); syswrite A,"hey"; sysread B,$x,10; print "$x\n"; '
perl -MDigest::SHA=sha256_hex -MMIME::Base64 -MList::Util=sum -MStorable -e 'print sha256_hex("x" x 100000),"\n", encode_base64("abc"), sum(1..1000), "\n"; store [1,2,3],"st"; print "@{retrieve(q(st))}\n"'
echo "== sqlite3"
sqlite3 t.db "create table t(a integer primary key, b text); with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x, hex(x*x) from c; create index i on t(b); select count(*), sum(a), min(b), max(b) from t; pragma integrity_check; pragma journal_mode=wal; update t set b='z' where a%7=0; select count(*) from t where b='z'; vacuum; .dump t" | sha256sum
sqlite3 t.db "select sqlite_version(); select count(*) from t; begin; delete from t; rollback; select count(*) from t;"; ls t.db*
echo "== tar xz"
tar -C /usr/share -cf a.tar perl/5.36.0/unicore/lib 2>&1 | head -2; tar --sort=name --owner=0 --group=0 --mtime=@0 -C / -cf p.tar usr/share/perl/5.36.0/unicore/To etc; sha256sum < p.tar; xz -T1 -1 -k p.tar; sha256sum < p.tar.xz; xz -l p.tar.xz | tail -1 | cut -c1-40; mkdir x; tar xf p.tar.xz -C x; (cd x; find . | sort | xargs -d '\n' stat -c '%n %a %s %F' | sha256sum); diff -r x/etc /etc && echo same; gzip -c p.tar | zcat | cmp - p.tar && echo gz ok; tar tvf p.tar | wc -l
tar cf - x | tar xf - -C dst && diff -r x dst/x && echo piped
echo "== coreutils"
seq 100000 | sort -R --random-source=<(yes) | sort -n | md5sum; seq 20 | shuf --random-source=h.c | paste -sd,; du -s x | cut -f2; df / | wc -l; stat -c '%F %a' /tmp /dev/null; date -u -d @0; timeout 1 sleep 5; echo $?; env -i printenv; mkfifo ff; (echo through > ff &) ; cat ff; nohup true; dd if=/dev/zero bs=1k count=100 2>/dev/null | od -c | head -2; split -n 3 h.c s; cat s?? | cmp - h.c; truncate -s 1G sparse; du sparse; cp --sparse=always sparse sp2; stat -c %s sp2; rm sparse sp2; mktemp -u | wc -c; realpath ../tmp/./x/..; tee t1 < h.c | cksum; factor 18446744073709551557; numfmt --to=iec 1234567; stdbuf -oL echo hi; chroot / /bin/true; echo $?; id -u
