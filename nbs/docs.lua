-- A function stands once on a page: its name as a heading, below it its source.
--
-- nbdev writes the signature and the docstring of what a cell exports below that cell, so that each
-- stands there twice, with the heading in the middle. Here the heading goes above the cell. Where
-- the source is open the copy goes; where it is folded the copy is what one reads.

local function is_cell(block)
  return block.t == 'Div' and block.classes:includes('cell')
      and block.content[1] and block.content[1].t == 'CodeBlock'
end

-- Four blocks begin what nbdev says of a name: a rule, a link to the source, a heading, code.
local function is_entry(blocks, i)
  local kinds = {'HorizontalRule', 'Para', 'Header', 'CodeBlock'}
  for offset, kind in ipairs(kinds) do
    local block = blocks[i + offset - 1]
    if not block or block.t ~= kind then return false end
  end
  return pandoc.utils.stringify(blocks[i + 1]) == 'source'
end

local function letters(text)
  return (text:gsub('[^%w]', ''))
end

-- Where a cell defines a function or class of that name, and the letters of its docstring.
local function definition(code, name)
  local from = ('\n' .. code):find('\n%a+ ' .. name .. '%f[^%w_]')
  if not from then return nil end
  local rest = code:sub(from)
  local said = rest:match('[\n:]%s*"+([^"]*)')
  return from, letters(said or '')
end

-- Where the docstring goes on after a paragraph; nothing if the paragraph is not the next of it.
local function after(said, at, block)
  if not block or block.t ~= 'Para' then return nil end
  local text = letters(pandoc.utils.stringify(block))
  if text == '' or said:sub(at, at + #text - 1) ~= text then return nil end
  return at + #text
end

-- The entries below a cell that are of names defined in it, in its order, and where they end.
local function entries_below(blocks, i, code)
  local found = {}
  while is_entry(blocks, i) do
    local name = pandoc.utils.stringify(blocks[i + 2])
    local from, said = definition(code, name)
    if not from then break end
    local entry = {name = name, from = from, copy = {blocks[i + 3]}}
    entry.head = {blocks[i], blocks[i + 1], blocks[i + 2]}
    i = i + 4
    local at = after(said, 1, blocks[i])
    while at do
      entry.copy[#entry.copy + 1] = blocks[i]
      i = i + 1
      at = after(said, at, blocks[i])
    end
    found[#found + 1] = entry
  end
  table.sort(found, function(one, other) return one.from < other.from end)
  return found, i
end

local function append(list, more)
  for _, block in ipairs(more) do list[#list + 1] = block end
end

local function is_folded(cell)
  return cell.content[1].attributes['code-fold'] == 'true'
end

local function name_source(cell, entries)
  local names = {}
  for number, entry in ipairs(entries) do names[number] = '`' .. entry.name .. '`' end
  cell.content[1].attributes['code-summary'] = 'Source of ' .. table.concat(names, ', ')
end

function Pandoc(document)
  local blocks, arranged = document.blocks, {}
  local i = 1
  while blocks[i] do
    local block, entries = blocks[i], {}
    i = i + 1
    if is_cell(block) then
      entries, i = entries_below(blocks, i, block.content[1].text)
    end
    for _, entry in ipairs(entries) do
      append(arranged, entry.head)
      if is_folded(block) then append(arranged, entry.copy) end
    end
    if #entries > 0 then name_source(block, entries) end
    append(arranged, {block})
  end
  document.blocks = arranged
  return document
end
