"""How the report looks: light or dark as the reader's system is, light on paper."""

STYLE = """
:root { color-scheme: light dark; --window: #f1f3f5; --card: #ffffff; --edge: #d5dae0; --text: #1b2026;
  --muted: #586372; --bar: #cfe0fb; --accent: #1f5fd0; --warning: #9a5300; }
@media screen and (prefers-color-scheme: dark) { :root { --window: #17191c; --card: #212428; --edge: #353a41;
  --text: #e9ebee; --muted: #a3abb6; --bar: #2f4d7c; --accent: #6ea8ff; --warning: #ffb454; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 24px; background: var(--window); color: var(--text);
  font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 24px; } h2 { margin: 0 0 10px; font-size: 17px; } h3 { margin: 16px 0 8px; font-size: 15px; }
header, footer { margin: 0 4px 16px; } header p { margin: 4px 0; } footer { margin-top: 16px; font-size: 13px; }
.muted { color: var(--muted); } .notice { color: var(--warning); }
section { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 16px;
  margin-bottom: 16px; min-width: 0; }
.columns { display: grid; gap: 16px; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); margin-bottom: 16px; }
.columns.facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.columns > section { margin-bottom: 0; }
figure { margin: 0; } figcaption { font-size: 13px; margin-top: 4px; }
img { display: block; max-width: 100%; height: auto; }
img.photo { width: 100%; border-radius: 6px; }
img.input { width: 192px; image-rendering: pixelated; border-radius: 4px; }
img.map { width: 100%; image-rendering: pixelated; border-radius: 4px; }
.caption { margin: 10px 0 4px; }
.badge { font-size: 12px; font-weight: 400; color: var(--muted); border: 1px solid var(--edge); border-radius: 8px;
  padding: 0 7px; }
.legend { display: flex; align-items: center; gap: 8px; margin: 6px 0 12px; font-size: 13px; color: var(--muted);
  max-width: 560px; }
.scale { flex: 1; height: 10px; border-radius: 2px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 8px 6px 0; border-bottom: 1px solid var(--edge); vertical-align: top;
  font-weight: 400; } thead th { color: var(--muted); font-size: 13px; white-space: nowrap; }
td { white-space: nowrap; }
td:not(:first-child), thead th:not(:first-child) { text-align: right;
  padding-right: 0; padding-left: 8px; }
.ranking thead th:nth-child(2) { text-align: left; padding-left: 0; } .changes { max-width: 560px; }
tr.chosen th { font-weight: 600; } th .muted { font-weight: 400; } li .muted { white-space: nowrap; }
.bar { display: block; height: 6px; min-width: 2px; border-radius: 3px; margin-top: 3px; background: var(--accent);
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.layers { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 16px; }
.layers figure { display: flow-root; }
.layers p { margin: 0; } .layers ol { margin: 4px 0 0; padding-left: 18px; font-size: 12px; }
.pair { display: flex; flex-wrap: wrap; gap: 16px; margin: 12px 0; }
.views { display: flex; flex-wrap: wrap; gap: 16px; }
.views figure { max-width: 100%; } .views figcaption { margin: 0 0 4px; } .views img { border: 1px solid var(--edge);
  border-radius: 6px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 14px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; }
@media (max-width: 760px) { .columns, .columns.facts { grid-template-columns: minmax(0, 1fr); }
  body { padding: 12px; } dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 6px; } }
@media print { :root { --window: #ffffff; } body { max-width: none; padding: 0; font-size: 11pt; }
  section { border: none; padding: 0; } figure, tr, dl { break-inside: avoid; } h2, .caption { break-after: avoid; }
  .columns { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); } }
"""
