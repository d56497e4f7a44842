-- 100,000 rows inserted, indexed, sorted, grouped and joined, in memory.
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, name TEXT, score REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
  INSERT INTO t SELECT i, i * 7919 % 100003, 'name-' || (i * 104729 % 99991), i * 31 % 1009 / 7.0 FROM n;
COMMIT;
CREATE INDEX by_k ON t(k);
SELECT count(*), sum(k), min(name), max(name), round(avg(score), 6) FROM t;
SELECT id, name FROM t ORDER BY name DESC, id LIMIT 5 OFFSET 50000;
SELECT k % 10, count(*), round(total(score), 3) FROM t GROUP BY k % 10 ORDER BY 2 DESC, 1;
SELECT count(*) FROM t a JOIN t b ON b.k = a.id WHERE a.score > b.score;
