/** Style of a report: one column on a phone, up to three plots beside each other on a wide page. */
export const REPORT_CSS = `:root{color-scheme:light dark;--paper:#fff;--card:#f6f8fa;--line:#d0d7de;--text:#1f2328;--soft:#59636e;--link:#0b6bb8;
--best-bg:#0b6bb8;--best:#fff;--good-bg:#d8f3e2;--good:#0f5132;--fair-bg:#fdf0d0;--fair:#6b4a00;--poor-bg:#fbe3d2;--poor:#7a3300;--bad-bg:#f9d9d6;--bad:#86181d}
@media (prefers-color-scheme:dark){:root{--paper:#0f1216;--card:#171b21;--line:#343b44;--text:#e6e8eb;--soft:#9aa4af;--link:#58a6ff;
--best-bg:#58a6ff;--best:#06121f;--good-bg:#143524;--good:#8fe0b0;--fair-bg:#3a2e0c;--fair:#f2cf7e;--poor-bg:#402410;--poor:#f5b68c;--bad-bg:#451a1c;--bad:#ffaaa4}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main{max-width:1400px;margin:0 auto;padding:0 16px}
header{padding-top:24px}
h1{font-size:26px;line-height:1.25;margin:0 0 8px}
h2{font-size:20px;margin:0 0 8px;padding-top:24px;border-top:1px solid var(--line)}
h3{font-size:15.5px;margin:20px 0 6px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;margin:8px 0 0}
a{color:var(--link)}
section{margin:24px 0 40px}
.facts{list-style:none;display:flex;flex-wrap:wrap;gap:2px 20px;padding:0;margin:0 0 12px;color:var(--soft);overflow-wrap:anywhere}
.plots{columns:3 340px;column-gap:16px;margin:20px 0}
figure{margin:0 0 16px;padding:12px 14px;break-inside:avoid;background:var(--card);border:1px solid var(--line);border-radius:8px;min-width:0}
figure h3{margin-top:0}
.missing{margin:0;padding-left:20px}
figure svg{display:block;width:100%;height:auto;max-width:560px}
figcaption,.note,.missing{color:var(--soft);font-size:13.5px;margin:6px 0 0}
details{margin-top:8px;font-size:13.5px}
summary{cursor:pointer;color:var(--link)}
.table{overflow-x:auto;max-width:100%}
.table:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13.5px}
th,td{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
thead th{color:var(--soft);font-weight:600}
tbody th{font-weight:600}
th.figure,td.figure{text-align:right}
.verdict{padding:1px 8px;border-radius:10px;font-weight:600;white-space:nowrap}
.best{background:var(--best-bg);color:var(--best)}.good{background:var(--good-bg);color:var(--good)}
.fair{background:var(--fair-bg);color:var(--fair)}.poor{background:var(--poor-bg);color:var(--poor)}.bad{background:var(--bad-bg);color:var(--bad)}
@media print{figure{break-inside:avoid}}`;
