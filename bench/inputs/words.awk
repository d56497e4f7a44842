# How often each word and each length occurs, and checks on both.
{
  for (i = 1; i <= NF; i++) {
    count[$i]++
    bytes[length($i)] += i
    if ($i ~ /^[aeiou].*[^aeiou]$/) odd++
  }
  sub(/ [a-z]*$/, "")
  kept += length($0)
}
END {
  for (w in count) { n++; if (count[w] > most || count[w] == most && w < best) { most = count[w]; best = w } }
  for (l in bytes) sum += l * bytes[l]
  print NR, n, best, most, odd, kept, sum
}
