-- Columns of numbers stand at the right, as they do in print; names stay at the left.

-- "24.93 ± 0.80", "-0.5", "1,000", "12%", "24.93 / 0.802": digits and signs, no words.
local SIGNS = {'±', '−', '≤', '≥', '×', '\u{a0}'}      -- of several bytes

local function is_number(text)
  for _, sign in ipairs(SIGNS) do text = text:gsub(sign, '') end
  return text:match('%d') ~= nil and text:match('^[%d%s.,:/()%%+~<>%-]+$') ~= nil
end

local function is_of_numbers(rows, column)
  local found = false
  for _, row in ipairs(rows) do
    local cell = row.cells[column]
    if not cell or #row.cells < column or cell.col_span > 1 then return false end
    local text = pandoc.utils.stringify(cell.contents)
    if text:match('%S') then
      if not is_number(text) then return false end
      found = true
    end
  end
  return found
end

function Table(tbl)
  local rows = {}
  for _, body in ipairs(tbl.bodies) do
    for _, row in ipairs(body.body) do rows[#rows + 1] = row end
  end
  for column = 2, #tbl.colspecs do
    if is_of_numbers(rows, column) then tbl.colspecs[column][1] = 'AlignRight' end
  end
  return tbl
end
