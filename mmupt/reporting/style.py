"""How a report's page looks: one style sheet, for phones and screens, light and dark."""

CSS = """
:root{--ink:#1c2330;--soft:#5b6472;--line:#d9dee6;--paper:#ffffff;--card:#f6f8fa;--accent:#2563eb;
--right:#15803d;--wrong:#b91c1c}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--line:#343c4a;--paper:#12161d;--card:#1b212b;
--accent:#7fb0ff;--right:#4ade80;--wrong:#f87171}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.25rem;margin:2.5rem 0 .75rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.35rem}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
td{overflow-wrap:break-word;min-width:5rem;max-width:24rem}
td.short{white-space:nowrap}
th{font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:.75rem}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:.5rem 0;font-size:.875rem}
.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.4rem;vertical-align:-.05rem}
figure{margin:0;padding:.5rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem}
figure.wide{max-width:46rem;margin:.75rem 0}
svg{display:block;width:100%;height:auto}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(21rem,100%),1fr));gap:.75rem}
.card{padding:.85rem;background:var(--card);border:1px solid var(--line);border-radius:.6rem;font-size:.9rem;
min-width:0}
.card img{width:9rem;max-width:100%;height:auto;border-radius:.35rem;background:#fff;
image-rendering:pixelated;display:block;margin-bottom:.5rem}
.card .id{color:var(--soft);font-size:.75rem;overflow-wrap:anywhere}
.question{white-space:pre-wrap;overflow-wrap:anywhere;margin:.25rem 0 .5rem;font-weight:500}
.who{color:var(--soft);margin-top:.5rem}
.tally{display:inline-block;margin:.15rem .3rem .15rem 0;padding:.05rem .5rem;border:1px solid var(--line);
border-radius:1rem;max-width:100%;overflow-wrap:anywhere}
.right{color:var(--right);border-color:var(--right)}
.wrong{color:var(--wrong)}
.none{color:var(--soft);font-style:italic}
.voted{border-width:2px;font-weight:700}
details{margin-top:.3rem}
summary{cursor:pointer;color:var(--accent)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem;margin:.4rem 0;max-height:20rem;overflow:auto}
.browse>input{position:absolute;opacity:0;pointer-events:none}
.filters{position:sticky;top:0;z-index:1;background:var(--paper);padding:.25rem 0;border-bottom:1px solid var(--line);
max-height:50vh;overflow:auto}
.filters p{margin:.25rem 0;font-size:.875rem}
.filters label{display:inline-block;margin:.15rem .3rem .15rem 0;padding:.1rem .6rem;border:1px solid var(--line);
border-radius:1rem;cursor:pointer}
.ask{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:.5rem 1.5rem;padding:1rem 0;
border-bottom:1px solid var(--line);font-size:.9rem;content-visibility:auto;contain-intrinsic-size:auto 18rem}
.ask>div{min-width:0}
.ask img{max-width:100%;max-height:20rem;border-radius:.35rem;background:#fff;display:block;margin-bottom:.5rem}
.ask .id{color:var(--soft);font-size:.75rem;overflow-wrap:anywhere}
.ask summary{color:var(--ink);overflow-wrap:anywhere}
.said.is-correct b{color:var(--right)}
.said.is-wrong b{color:var(--wrong)}
.said.is-abstained b{color:var(--soft)}
.ask .who{margin-top:0}
footer{margin-top:3rem;color:var(--soft);font-size:.85rem}
"""
