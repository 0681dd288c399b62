/* style.c: the look of a report. Colours are roles, given once for light and once for dark; right and wrong are blue and orange, which
 * people who confuse red and green can tell apart, and never colour alone: numbers stand beside them. */
#include "coordinator/html/parts.h"

const char *const html_style[] = {
    /* colours */
    ":root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#17171a;--soft:#5a5a60;--line:#e2e2dc;--grid:#ecece7;"
    "--right:#2a78d6;--wrong:#e0642a;--none:#a5a59e;--accent:#2a78d6}"
    "@media(prefers-color-scheme:dark){:root{--page:#121214;--card:#1c1c1f;--ink:#f2f2ef;--soft:#a9a9a4;--line:#323236;--grid:#2a2a2e;"
    "--right:#3f87e0;--wrong:#d8652f;--none:#77777c;--accent:#5a9df0}}",
    /* the page */
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "font-variant-numeric:tabular-nums}"
    "main{max-width:1120px;margin:0 auto;padding:32px 20px 64px}"
    "header{margin-bottom:24px}h1{font-size:26px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}"
    "header p{margin:0;color:var(--soft)}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:0 0 18px;overflow-x:auto}"
    "h2{font-size:17px;margin:0 0 4px}h3{font-size:14px;margin:0 0 6px}"
    "section>p,figcaption,.note{color:var(--soft);margin:0 0 14px;max-width:75ch;font-size:14px}"
    "section>p:last-child{margin-bottom:0}figure{margin:0;min-width:0;max-width:560px}figcaption{margin:8px 0 0}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(138px,1fr));gap:14px;background:none;border:0;padding:0}"
    ".tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:13px 14px}"
    ".tile b{display:block;font-size:20px;line-height:1.25;letter-spacing:-.02em;font-weight:650;white-space:nowrap}"
    ".tile span{color:var(--soft);font-size:13px;display:block;white-space:nowrap}"
    ".beside{display:flex;flex-wrap:wrap;gap:12px 36px;align-items:flex-start}.beside>div{flex:1 1 320px;min-width:0}"
    ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:28px;align-items:start}",
    /* pictures */
    "svg{display:block;width:100%;height:auto;overflow:visible}svg.fixed{width:auto;max-width:none}"
    "svg text{fill:var(--soft);font-size:11.5px;unicode-bidi:isolate}svg .ink{fill:var(--ink)}svg .strong{fill:var(--ink);font-weight:600}"
    ".grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--none);stroke-width:1}"
    ".fr{fill:var(--right)}.fw{fill:var(--wrong)}.fn{fill:var(--none)}.fa{fill:var(--accent);fill-opacity:.16}"
    ".la{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".diagonal{stroke:var(--none);stroke-width:1.5;stroke-dasharray:5 4}.cell{stroke:var(--card);stroke-width:2}"
    ".legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin:0 0 8px;font-size:13px;color:var(--soft)}"
    ".legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;vertical-align:-1px}"
    "i.r{background:var(--right)}i.w{background:var(--wrong)}i.n{background:var(--none)}",
    /* tables, galleries, lists */
    "table{border-collapse:collapse;width:100%;font-size:14px}th{text-align:left;color:var(--soft);font-weight:500;font-size:13px}"
    "td,th{padding:6px 14px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}tr:last-child td{border-bottom:0}"
    ".num{text-align:right;white-space:nowrap}bdi{overflow-wrap:anywhere}code,.mono{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12.5px}"
    ".bar{display:inline-block;height:8px;border-radius:4px;background:var(--right);vertical-align:1px;min-width:1px}"
    ".track{display:inline-block;width:110px;background:var(--grid);border-radius:4px;height:8px;line-height:8px;vertical-align:1px}"
    ".gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:18px 14px}"
    ".gallery img,.gallery .missing{display:block;width:100%;height:150px;object-fit:contain;background:var(--grid);border-radius:8px}"
    ".gallery .missing{display:grid;place-items:center;text-align:center;color:var(--soft);font-size:12.5px;padding:10px}"
    ".gallery figcaption{margin-top:7px;font-size:13px;line-height:1.4;color:var(--ink)}.gallery small{color:var(--soft);font-size:12px}"
    "summary{cursor:pointer;font-weight:600;font-size:17px}details[open]>summary{margin-bottom:10px}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:5px 22px;margin:0 0 18px}dt{color:var(--soft)}dd{margin:0;min-width:0}"
    ".tag{display:inline-block;border:1px solid var(--line);border-radius:20px;padding:0 9px;font-size:12.5px;color:var(--soft)}"
    "ul.examples{margin:4px 0 0;padding:0;list-style:none}ul.examples li{margin:3px 0}"
    "footer{color:var(--soft);font-size:13px;padding:4px 2px}"
    "@media(max-width:520px){main{padding:20px 12px}section{padding:16px 14px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}}"
    "@media print{body{background:#fff}section,.tile{break-inside:avoid}}",
    NULL
};
