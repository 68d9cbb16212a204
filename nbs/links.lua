-- A line above each chapter: where the notebook runs without an installation, its file, and where
-- its words are explained.

local REPOSITORY = 'rssr/rssr'
local COLAB = 'https://colab.research.google.com/github/' .. REPOSITORY .. '/blob/main/nbs/'
local FILE = 'https://github.com/' .. REPOSITORY .. '/raw/main/nbs/'

function Pandoc(document)
  local name = quarto.doc.input_file:match('([^/\\]+%.ipynb)$')
  if not name then return nil end
  local line = pandoc.Para({
    pandoc.Link('Open in Colab', COLAB .. name),
    pandoc.Str(' · '),
    pandoc.Link('Download this notebook', FILE .. name),
    pandoc.Str(' · '),
    pandoc.Link('Words and symbols', 'words.html'),
  })
  document.blocks:insert(1, pandoc.Div({line}, pandoc.Attr('', {'notebook-links'})))
  return document
end
