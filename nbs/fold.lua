-- Which cells a page shows folded, and what stands on a folded one.
--
-- A page is for reading: it opens with short code, and folds tests and what is long. A cell that
-- says `#| code-fold` decides for itself. Beside the mark of a folded cell stand the names of its
-- functions, and the first sentence that the first of them says about itself.

local LONGEST = 14                          -- lines of code that a page shows unasked
local TESTS = {'test_eq%(', 'test_close%(', 'test_fail%(', 'test_ne%(', '%f[%w]assert '}

local function lines_of(text)
  local count = 0
  for line in text:gmatch('[^\n]+') do
    if line:match('%S') then count = count + 1 end
  end
  return count
end

local function is_test(text)
  for _, mark in ipairs(TESTS) do
    if text:match(mark) then return true end
  end
  return false
end

-- Names of functions and classes at the left margin; public ones, if there are any.
local function names_of(text)
  local public, private = {}, {}
  for kind, name in ('\n' .. text):gmatch('\n(%a+) ([%w_]+)') do
    if kind == 'def' or kind == 'class' then
      local list = name:match('^_') and private or public
      list[#list + 1] = name
    end
  end
  return #public > 0 and public or private
end

-- The first sentence of the docstring of a function.
local function said_of(name, text)
  local from = ('\n' .. text):find('\n%a+ ' .. name .. '%f[^%w_]')
  local said = text:match('[\n:]%s*"+([^"]+)', from or 1)
  if not said then return '' end
  said = said:gsub('%s+', ' ')
  return said:match('^(.-)%.%f[%s\0]') or said:gsub('[%.%s]+$', '')
end

local function escaped(text)
  return (text:gsub('([%*_<>%$@%[%]{}^~|`\\#])', '\\%1'))
end

local function summary_of(text)
  local names = names_of(text)
  if #names == 0 then return is_test(text) and 'Tests' or 'Code' end
  local shown = '`' .. table.concat(names, '`, `') .. '`'
  local said = said_of(names[1], text)
  return said == '' and shown or shown .. ': ' .. escaped(said)
end

function CodeBlock(block)
  if not block.classes:includes('cell-code') then return nil end
  local attributes = block.attributes
  local long = lines_of(block.text) > LONGEST
  local aside = long or (is_test(block.text) and #names_of(block.text) == 0)
  attributes['code-fold'] = attributes['code-fold'] or (aside and 'true' or 'show')
  if attributes['code-fold'] ~= 'false' then
    attributes['code-summary'] = attributes['code-summary'] or summary_of(block.text)
  end
  return block
end
