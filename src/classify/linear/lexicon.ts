/**
 * Word groups: words that mean the same thing to the classifier although they share no letters. A corpus of some
 * thousand requests shows each verb a few times only; what "condense" says it can learn from "summarize", once both are
 * one feature. English, German and Chinese; `word*` stands for every word that begins so, two words for a pair in a row.
 * Chinese entries are found anywhere, because Chinese is written without spaces.
 */
const GROUPS: Readonly<Record<string, string>> = {
  greeting: `hi; hey; hello; yo; sup; wsg; moin; hallo; servus; hej; good morning; good night; good evening; guten morgen;
    guten abend; guten tag; gute nacht; morning; bye; ciao; tschüss; bis morgen; happy new; 你好; 早上好; 晚安; 您好`,
  thanks: `thanks; thank*; thx; ty; cheers; danke*; merci; appreciate*; 谢谢; 感谢`,
  reaction: `lol; lmao*; haha*; hehe*; wow; ugh; meh; omg; rip; gg; nah; nee; nope; yep; yeah; okay; ok; cool; digga; bro;
    fr; ngl; tbh; hmm*; oh; ach; na; nice; brb; wtf; damn; never mind; nevermind; 哈哈*; 哈哈; 好吧`,
  feeling: `tired; sad; lonely; happy; nervous; annoyed; annoying; bored; boring; anxious; worried; angry; scared; proud;
    excited; stressed; miss; hate; love; crying; tears; rough; exhausted; upset; relieved; feel*; awkward; jealous; müde;
    traurig; langweilig; erleichtert; genervt; glücklich; froh; nervös; mies*; stolz; cheer; mood; overthink*; weird; 心情;
    难过; 开心; 烦; 累; 失眠; 高兴`,
  i: `i; i'm; im; i've; me; my; mine; we; our; ich; mein*; mir; mich; wir; unser*; 我; 我们`,
  you: `you; you're; your; u; ur; bot; du; dich; dein*; 你; 你的`,
  talk: `talk; chat; conversation; tell me; listen; friend*; weekend; birthday; dream; dreamt; boss; neighbo*; husband;
    wife; partner; dog; cat; kids; daughter; son; mum; mom; dad; guess what; finally; yesterday; tonight; reden; erzähl*;
    nachbar*; chef; wochenende; heute; gestern; 今天; 周末; 聊聊; 陪我; 朋友`,
  ask: `what; what's; whats; who; who's; whos; whom; whose; which; when; when's; where; where's; why; how; wer; was; wann; wo;
    warum; wieso; weshalb; wie; wem; wen; welch*; wofür; woran; wieviel; 什么; 为什么; 怎么; 哪; 谁; 多少; 多久; 几; 吗; 如何`,
  verbask: `is; are; do; does; did; can; could; should; would; will; has; was; were; am; may; ist; sind; kann; kannst; darf;
    muss; hat; gibt; soll; stimmt; weiß; 是不是; 可以; 能不能; 有没有`,
  fact: `difference; between; mean; means; meaning; stand for; stands for; capital; invented; wrote; author; won; founded;
    safe; allowed; legal; normal; typical; default; best time; substitute; plural; cost; costs; unterschied; bedeutet;
    haltbar; kostet; erlaubt; question; q; context; passage; faq; documented; encyclop*; trivia; quiz; mmlu; squad; 区别;
    作者; 请问`,
  explain: `explain*; describe; understand*; walk me; compare*; comparison; causes; evidence; research; works; erklär*;
    vergleich*; beschreib*; ursachen; 解释; 比较; 说明; 介绍`,
  summarize: `summar*; tldr; tl dr; tl; recap*; condens*; gist; nutshell; takeaway*; digest*; abstract*; overview; sum up;
    boil; short version; catch me; key points; rundown; headnote*; snippet; briefing; minutes; synthes*; compress; main
    points; zusammenfass*; zusammengefasst; fass; fasse; kurzfassung; kernaussage; inhaltsangabe; worum geht; wichtigste*;
    wichtigsten punkte; merge; distil*; did i; plot; what happened; short description; handover; preview; 总结; 概括; 摘要;
    要点; 综述; 汇总; 简短`,
  title: `title*; titel*; headline*; subject line; subject; tab title; sidebar; name this; chat name; auto name; slug;
    überschrift; caption; topic; thread name; 标题; 起个`,
  extract: `extract*; list; pull; pick; grab; identify; find; table; tabelle; csv; tsv; json; jsonl; fields; field; parse*;
    entit*; annotat*; tags; tag; tagging; keyword*; schlagwort*; verschlagwort*; label*; categor*; kategor*; classif*;
    klassifi*; massenklassi*; extrahier*; liste; auflist*; sortier*; sort; group; intent; sentiment; stimmung; spam; toxic*;
    moderation; detect; mention*; named; spans; span; triples; metadata; schema; columns; column; slots; form; timeline;
    chronolog*; register; dates; names; numbers; amounts; urls; emails; ingredients; all the; termine; beträge; personen;
    which of; memories; facts; preferences; pii; language code; priority; department; urgency; rate; score; index; map;
    route the; relevance; relevant; dedup*; enrichment; audit; code these; coding; 提取; 抽取; 列出; 分类; 标注; 归类; 判断;
    哪一类; 挑出`,
  rewrite: `rewrite*; rephras*; reword*; paraphras*; proofread*; grammar; spelling; spell; typo; typos; spellfix; polish*;
    correct; corrected; correction; improve; improv*; formal; informal; polite*; friendl*; tone; simplif*; plain; simpler;
    passive; active; shorten; shorter; longer; wording; word; better word; sound; sounds; sound like; revise; revis*; edit;
    umformulier*; formulier*; korrigier*; überarbeite*; lektorier*; kürzer; freundlicher; höflicher; hochdeutsch*; turn
    this; turn these; turn my; make this; make it; into a; restructur*; adapt; anonymis*; anonymiz*; normali*; transliterat*;
    capitali*; punctuation; standalone; search query; search queries; query for; expand; autocorrect; third person; register; clean;
    ocr; convert all; 改写; 润色; 礼貌; 语法; 口语化; 改成; 改为; 修改; 改一下; 改得`,
  translate: `translat*; übersetz*; into english; into german; into french; into spanish; into italian; to english; to german;
    to french; to spanish; to polish; in japanese; in english; in german; in korean; in french; in spanish; in icelandic;
    autotranslate; locali*; stapelübersetz*; ins englische; ins deutsche; auf deutsch; auf englisch; auf spanisch;
    subtitle*; mt; de en; en de; how do you say; do i say; sage ich; 翻译; 译成; 英文; 译`,
  tongue: `english; german; french; spanish; italian; japanese; korean; chinese; mandarin; polish; russian; turkish; dutch; swedish;
    portuguese; latin; icelandic; welsh; arabic; englisch*; deutsch*; französisch*; spanisch*; italienisch*; polnisch; türkisch;
    pirate; dialect; slang; 英文; 中文; 英语; 德语; 日语; 法语`,
  saying: `say; says; said; phrase; phrased; spell; called; write this; put this; put it; wording; equivalent; pronounce; sage; heißt;
    sagt man; klingt; synonym; opposite; 怎么说; 怎么写`,
  unit: `km; m; cm; mm; kg; g; gram; grams; kilo; litre; litres; liter; l; ml; min; mins; minute; minutes; hour; hours; h; day; days; week; weeks;
    weekdays; month; months; year; years; euro; euros; eur; dollar; dollars; pounds; metres; meters; miles; mph; degrees; twice; half; third;
    double; dozen; speed; distance; age; old; older; younger; tall; price; pack; packs; recipe; workers; machines; painters; minuten; stunden;
    tage; jahre; meter; 元; 岁; 公里; 小时; 天`,
  iff: `if; when's; suppose; given; assume; then; each; per; altogether; remaining; left; more; less; than; wenn; falls; jede; jeder; 如果; 各; 一共`,
  verdict: `yes no; y n; true false; whether; is this; is the; does the; contains; contain; check if; determine if; which category; ja nein; safe unsafe; positive;
    neutral; negative; valid; complete; grounded; urgent; dringend; match; verdict; automod; moderation; 正面; 是否; 是或`,
  genre: `poem; poems; story; haiku; limerick; song; songs; joke; jokes; pun; novel; screenplay; sonnet; fable; fables; verse; ballad; lyrics; rap; toast; eulogy;
    monologue; riddles; proverb; gedicht; witz; geschichte; märchen; 诗; 笑话; 故事`,
  notes: `meeting; standup; minutes; interview*; hearing; call; discussion; retro; negotiat*; incident; episode; transcript*; log; logs; alert*; anomal*; error;
    warning; besprechung; sitzung; teamrunde; 会议; 纪要`,
  text: `text; paragraph; sentence*; article; email; e; mail; letter; note*; document*; transcript*; thread; page; passage;
    section; chapter; report; essay; draft; speech; review*; comment*; message; messages; chapter; bullet; contract; leaflet;
    artikel; brief; absatz; protokoll; dokument*; schreiben; vertrag; 文章; 邮件; 这段; 这句话; 句子; 材料; 内容; 文档; 下面; 以下`,
  language: `python; javascript; js; typescript; ts; rust; golang; go; java; kotlin; php; ruby; lua; sql; sqlite; postgres*;
    mysql; bash; sh; posix; css; html; jsx; tsx; yaml; regex; regexp; jq; git; github; docker*; npm; pip; cargo; pytest; jest;
    vitest; mocha; react; vue; svelte; angular; node; express; hono; fastapi; django; numpy; pandas; polars; godot; unity;
    discord; arduino; latex; excel; sheets; cron; nginx; redis; terraform; ansible; kubernetes; k; vim; makefile; cmake; haskell;
    scala; swift; c; cpp; webpack; vite; eslint; playwright; linux; systemd; py; rs; md; json; api`,
  code: `code; function; functions; method; class; script; snippet; program; compile*; compiler; bug; bugs; debug*; test;
    tests; unit; refactor*; implement*; api; endpoint*; repo; repository; branch; commit*; merge; rebase; import; imports;
    loop; array; null; undefined; nullable; exception; throws; throw; crash; crashes; segfault; stack; trace; traceback; deadlock;
    race; async; await; callback; promise; closure; hook; component; docstring*; doc comment; typed; types; interface; generic*; lint*;
    linter; build; deploy; server; database; query; queries; schema; migration; parser; variable; identifier; regex; formula; cli; flag;
    file; module; package; dependency; dependencies; plugin; diff; patch; pr; pull request; funktion; klasse; schleife;
    programm*; quelltext; fehlerbehandlung; skript; implementier*; architektur; completion; complete the; autocomplete; fim; changelog;
    memory allocator; algorithm; big o; complexity; todo; unwrap; chmod; stash; port; backend; client; stub*; 代码; 函数; 报错;
    编程; 重构; 脚本; 数据库; 算法; 接口; 注释`,
  math: `calculat*; comput*; solve; prove; proof; proofs; lemma; theorem; percent; percentage; probabil*; chance; equation*;
    integral; integrate; deriv*; average; sum; total; ratio; prime; divide*; multiply; factor; integers; root; cube; square;
    how many; how much; number is; next number; bigger; greater; per hour; interest; km; litres; minus; plus; times; convert; vat;
    berechn*; rechne*; rechnung; rechnungen; löse; beweis*; wahrscheinlichkeit; prozent; wie viel; wie viele; wie hoch; gleichung;
    maschinen; gsm*; aqua; eigenvalue*; continuous; polynomial; triangle; circle*; dice; coins; coin; km h; split; 计算; 证明; 方程;
    概率; 打八折; 多大; 鸡兔; 求; 推导; 平方; 小时相遇; 个位数; 乘`,
  logic: `puzzle*; riddle; logic*; if all; therefore; conclusion; contradict*; entailment; premise*; argument; valid; deduce;
    reason; reasoning; rationale; step by; step failed; estimate; derive; optimal; strategy; decision; decide; schedul*; weigh*; root
    cause; judge; grade; verify; check whether; check my; goal; next agent; continue or; difficulty; complex; order these; true;
    must be; rätsel; schritt für; analysiere; logisch; schließe; justify; criteria; hypothes*; evaluate; 推理; 论证; 策略; 逻辑;
    过程`,
  creative: `poem*; story; stories; haiku; limerick; lyric*; song; songs; rap; joke; jokes; pun; puns; novel; villain*;
    slogan*; tagline*; name ideas; name for; names for; ideas for; brainstorm*; invent*; imagine; make up; come up; think of; toast;
    speech; eulogy; screenplay; sonnet*; fairy; tale; tales; fiction*; character; characters; persona*; verse; rhyme*; horoscope;
    roast; insult; nickname; codename; emoji; cocktail; riddles; lore; dialogue; flavour; campaign; keynote; ad copy; social posts; funny;
    silly; playful; random; bedtime; acrostic; shanty; bio; satirical; narrative; mystery; novel; script for; radio play; gedicht*;
    geschichte; kurzgeschichte; witz; witze; erfinde*; denk dir; reim*; vierzeiler; festrede; krimi*; spruch; name für; namen für; liedtext;
    ausrede; conversation starters; follow up questions; writing prompts; push text; 诗; 故事; 笑话; 起个名字; 广告语; 小说; 演讲稿; 祝福; 创作; 编一个`,
  write: `write; compose; draft; create; generate; produce; craft; design; make; give me; suggest; propose; build; schreib*; verfasse;
    entwirf; erstelle*; erzeuge*; schlage; mach; bau; 写; 生成; 创建; 设计; 给我`,
  quality: `thorough*; careful*; detail*; depth; comprehensive*; exhaust*; rigor*; rigour*; complete; completely; precise*; precisely; full; fully; entire;
    in depth; analy*; justify; justified; trade offs; deeply; nuanced; take your; ausführlich*; gründlich*; sorgfältig*; vollständig*;
    detailliert*; professional*; publication; published; polished; production; systematic*; meticulous*; expert; university; consider; challenge;
    critique; alternatives; risks; risk; limitations; counter; sources; cite; references; structured; expert level; at least two; end to; each
    step; explain each; explain every; reasoning behind; investigate; root cause; architect*; whole; literary; 1; words; legal; court; lawyer; board;
    anspruchsvoll*; ausgefeilt*; begründ*; genauigkeit; 详细; 仔细; 全面; 深入; 完整; 严格; 认真; 专业; 逐条; 结构`,
  brief: `short; shortly; brief*; quick; quickly; kurz; kurze; kurzes; knapp*; sentence; two sentences; three sentences; bullet points; under; at most; max; real quick;
    tiny; small; simple; one liner; in a; short please; pls; please; mal; bitte; 简短; 三句话; 一句话; 短一点; 短`,
  only: `only; nothing else; one word; single word; yes; no; true; false; y; n; number only; letter only; letter; digits; no explanation; reply; output;
    return; respond; answer with; exactly; one of; nur; ja oder; antworte; antwort; boolean; none; or none; choose; options; label; status; 只; 只输出;
    只回复; 只回答; 不超过`,
  chatmeta: `chat history; history; conversation; user; assistant; utterance; follow; followup; session; first message; last message; messages; context window;
    chat; unterhaltung; nutzer; gespräch*; 对话; 用户; 聊天; 消息`,
  batch: `batch*; overnight; nightly; bulk; dataset; corpus; item; record; records; row; rows; shard; chunk; job; queue; sample; samples; backfill; unattended;
    synthetic; training; eval*; archive*; catalogue; scheduled; nachtlauf; nachtauftrag; nächtlich*; stapel*; datensatz; datensätze; massen*; id; part; segment; pass;
    instance; tonight; morning; for each; for every; all files; import; fine tuning; augmentation; benchmark; run; persona; next week; warehouse; jsonl; annotations; über
    nacht; 批量; 批处理; 夜间; 数据集; 评测; 标注; 任务; 第; 条`,
  device: `turn off; turn on; set a; set the; timer; alarm; remind me; reminder; lights; light; licht; play; open; stop; add; shopping list; calendar; kalender; call; mail; door; volume;
    weather; temperature`,
};

const wordGroups = new Map<number, number[]>();
const prefixGroups = new Map<number, number[]>();
const pairGroups = new Map<number, number[]>();
const chinese: { readonly term: string; readonly group: number }[] = [];
// The prefixes are looked up at every letter, and nearly always in vain: a look here tells most of the time.
const FILTER_MASK = 0x3fff;
const mayBePrefix = new Uint8Array(FILTER_MASK + 1);
let isReady = false;

/** How many groups there are; their numbers are 0 to this minus one. */
export const GROUP_COUNT = Object.keys(GROUPS).length;

/**
 * Calls `visit` with the number of each group a word of the text belongs to (again for every word that does) and with
 * how many words stand before it. The text must be in lower case.
 */
export function eachGroup(text: string, visit: (group: number, wordIndex: number) => void): void {
  if (!isReady) build();
  let hash = 0;
  let previous = 0;
  let words = 0;
  let prefixHit: readonly number[] | undefined;
  for (let at = 0; at <= text.length; at += 1) {
    const unit = at < text.length ? text.charCodeAt(at) : 32;
    if (isLetter(unit)) {
      hash = Math.imul((hash === 0 ? SEED : hash) ^ unit, PRIME);
      if (mayBePrefix[hash & FILTER_MASK] !== 0) prefixHit = prefixGroups.get(hash) ?? prefixHit;
    } else if (hash !== 0) {
      visitAll(wordGroups.get(hash), words, visit);
      visitAll(prefixHit, words, visit);
      visitAll(pairGroups.get(pairHash(previous, hash)), words, visit);
      previous = hash;
      hash = 0;
      prefixHit = undefined;
      words += 1;
    }
  }
  if (CHINESE.test(text)) visitChinese(text, visit);
}

function visitAll(
  groups: readonly number[] | undefined,
  wordIndex: number,
  visit: (group: number, wordIndex: number) => void,
): void {
  if (groups !== undefined) for (const group of groups) visit(group, wordIndex);
}

// About two characters make a Chinese word.
function visitChinese(text: string, visit: (group: number, wordIndex: number) => void): void {
  for (const { term, group } of chinese) {
    const at = text.indexOf(term);
    if (at >= 0) visit(group, Math.floor(at / 2));
  }
}

const CHINESE = /[\u4e00-\u9fff]/;
const SEED = 0x811c9dc5;
const PRIME = 0x01000193;

function build(): void {
  for (const [group, words] of Object.values(GROUPS).entries()) {
    for (const term of words.split(';').map((word) => word.trim().replace(/\s+/g, ' '))) {
      if (/^[\u4e00-\u9fff]/.test(term)) chinese.push({ term: term.replace('*', ''), group });
      else if (term.includes(' ')) {
        const [first = '', second = ''] = term.split(' ');
        put(pairGroups, pairHash(hashOf(first), hashOf(second)), group);
      } else if (term.endsWith('*')) {
        const hash = hashOf(term.slice(0, -1));
        put(prefixGroups, hash, group);
        mayBePrefix[hash & FILTER_MASK] = 1;
      } else put(wordGroups, hashOf(term), group);
    }
  }
  isReady = true;
}

function put(map: Map<number, number[]>, key: number, group: number): void {
  const groups = map.get(key);
  if (groups === undefined) map.set(key, [group]);
  else if (!groups.includes(group)) groups.push(group);
}

function hashOf(word: string): number {
  let hash = SEED;
  for (let at = 0; at < word.length; at += 1) hash = Math.imul(hash ^ word.charCodeAt(at), PRIME);
  return hash;
}

const pairHash = (first: number, second: number): number => Math.imul(first, 31) ^ second;

// Letters with accents, and the apostrophe of "what's"; digits and signs end a word.
const isLetter = (unit: number): boolean =>
  (unit >= 97 && unit <= 122) || unit === 39 || (unit >= 0xdf && unit < 0x250) || (unit >= 0x370 && unit < 0x530);
