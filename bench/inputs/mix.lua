-- What Lua programs do: closures, tables, strings, sorting, floats, coroutines. lua5.4 mix.lua [ROUNDS]
local rounds = tonumber(arg[1]) or 1
local seed = 42
local function random(n)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed // 65536 % n
end

local function queens(n)
  local found, column, up, down = 0, {}, {}, {}
  local function place(row)
    if row > n then
      found = found + 1
      return
    end
    for c = 1, n do
      if not (column[c] or up[row + c] or down[row - c]) then
        column[c], up[row + c], down[row - c] = true, true, true
        place(row + 1)
        column[c], up[row + c], down[row - c] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end

local function words(n)
  local counts, list = {}, {}
  for i = 1, n do
    local w = string.format("w%d", random(500))
    counts[w] = (counts[w] or 0) + 1
    list[i] = w
  end
  local text, sum = table.concat(list, " "), 0
  for w in text:gmatch("%a%d+") do sum = sum + counts[w] end
  return sum + #text:upper():gsub("W1", "x")
end

local function sorted(n)
  local t = {}
  for i = 1, n do t[i] = { key = random(30000), at = i } end
  table.sort(t, function(a, b)
    if a.key ~= b.key then return a.key < b.key end
    return a.at < b.at
  end)
  return t[1].key + t[n // 2].key + t[n].key
end

local function mandelbrot(n)
  local inside = 0
  for y = 0, n - 1 do
    for x = 0, n - 1 do
      local cr, ci = 3 * x / n - 2, 2 * y / n - 1
      local zr, zi, i = 0.0, 0.0, 0
      while i < 50 and zr * zr + zi * zi < 4 do
        zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
        i = i + 1
      end
      if i == 50 then inside = inside + 1 end
    end
  end
  return inside
end

local point = {}
point.__index = point
point.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, point) end
function point:length() return math.sqrt(self.x * self.x + self.y * self.y) end

local function walk(n)
  local steps = coroutine.wrap(function()
    for i = 1, n do coroutine.yield(setmetatable({ x = random(3) - 1, y = random(3) - 1 }, point)) end
  end)
  local p = setmetatable({ x = 0, y = 0 }, point)
  for step in steps do p = p + step end
  return p:length()
end

for r = 1, rounds do
  print(queens(7), words(10000), sorted(5000), mandelbrot(60), string.format("%.6f", walk(20000)))
end
