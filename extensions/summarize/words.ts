// The words of a text, in small letters: runs of letters and digits, and pairs of characters where a script has no spaces.
// Stop words of English, German, French and Spanish.

const STOP: Set<string>[] = [];
add("a about above after again all also am an and any are as at be because been before being below between both but by can could did do does doing don down during each few for from further had has have having he her here hers him his how i if in into is it its itself just ll may me might more most must my no nor not now of off on once only or other our out over own re s same she should so some such t than that the their them then there these they this those through to too under until up ve very was we were what when where which while who whom why will with would you your");
add("aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei beim bin bis bist da damit dann das dass daß dazu dein dem den denn der des dessen deshalb die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch für gegen hab habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in indem ins ist ja jede jedem jeden jeder jedes kann kein keine keinen keiner können könnte man manche mehr mein meine mich mir mit muss nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind so solche soll sollte sondern sonst über um und uns unser unter viel vom von vor war waren warum was weil welche wenn werde werden wie wieder will wir wird wo wurde wurden zu zum zur zwar zwischen");
add("a à ai ainsi alors au aucun aussi autre autres aux avait avant avec avoir c car ce ceci cela celle celles celui ces cet cette ceux chaque comme comment d dans de depuis des deux donc dont du elle elles en encore entre est et étaient était été être eu fait faire fois ici il ils j je l la là le les leur leurs lorsque lui m ma mais me même mes moi moins mon n ne ni non nos notre nous on ont ou où par parce pas peu peut plus pour pourquoi puis qu quand que quel quelle quelles quels qui s sa sans se sera ses si son sont sous sur t ta te tes toi ton tous tout toute toutes très tu un une vers vos votre vous y");
add("a al algo algunas algunos ante antes aquel así aún aunque bajo bien cada casi como con contra cual cuando de del desde donde dos durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está estaba están estar estas este esto estos fue fueron ha había han hasta hay la las le les lo los más me mi mientras mis mucho muy nada ni no nos nosotros nuestra nuestro o os otra otras otro otros para pero poco por porque puede pues que qué quien se sea según ser si sí sido sin sino sobre son su sus también tan tanto te tiene tienen toda todas todo todos tras tu un una unas uno unos y ya yo");

function add(words: string): void {
  const set = new Set<string>();
  const list = words.split(" ");
  for (let i = 0; i < list.length; i++) set.add(list[i]);
  STOP.push(set);
}

/** The list of which the words hold most; on a tie the earlier. */
export function stopWordsFor(words: string[]): Set<string> {
  let best = 0;
  let most = -1;
  for (let i = 0; i < STOP.length; i++) {
    let hits = 0;
    for (let j = 0; j < words.length; j++) if (STOP[i].has(words[j])) hits++;
    if (hits > most) { most = hits; best = i; }
  }
  return STOP[best];
}

export function wordsOf(text: string): string[] {
  const lower = text.toLowerCase();
  const out: string[] = [];
  let at = 0;
  while (at < lower.length) {
    const c = lower.charCodeAt(at);
    if (!isWordUnit(c)) { at++; continue; }
    const from = at;
    const dense = isDense(c);
    while (at < lower.length && isWordUnit(lower.charCodeAt(at)) && isDense(lower.charCodeAt(at)) == dense) at++;
    if (!dense || at - from == 1) out.push(lower.substring(from, at));
    else for (let i = from; i + 1 < at; i++) out.push(lower.substring(i, i + 2));
  }
  return out;
}

/** Whether a text holds so many words, with a look at no more of it than that takes. */
export function hasWords(text: string, least: i32): bool {
  let count = 0;
  let within = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const word = isWordUnit(c);
    if (word && (!within || isDense(c)) && ++count >= least) return true;
    within = word;
  }
  return false;
}

/** Han, kana, Thai, Lao, Khmer: written without spaces. */
function isDense(c: i32): bool {
  return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x1780 && c <= 0x17ff);
}

function isWordUnit(c: i32): bool {
  if (c < 0x80) return (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c == 95;
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c == 0xd7 || c == 0xf7) return false;
  if (c >= 0x2000 && c <= 0x2bff) return false;
  if (c >= 0x3000 && c <= 0x303f) return c == 0x3005 || c == 0x3006;
  if (c >= 0xd83c && c <= 0xd83e) return false;
  if (c >= 0xfe10 && c <= 0xfe6f) return false;
  if (c >= 0xff00 && c <= 0xffef) return (c >= 0xff10 && c <= 0xff19) || (c >= 0xff21 && c <= 0xff3a) || (c >= 0xff41 && c <= 0xff5a) || (c >= 0xff66 && c <= 0xff9f);
  return c != 0x0964 && c != 0x0965 && c != 0x060c && c != 0x061b && c != 0x061f && c != 0xfeff && c != 0x30fb;
}
