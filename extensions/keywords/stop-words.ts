// Words that name nothing by themselves, of seven languages and of programming languages.

const CODES = ["en", "de", "fr", "es", "it", "pt", "nl"];
const STOP: Set<string>[] = [];
STOP.push(setOf("a about above after again all also am an and any are as at be because been before being below between both but by can could did do does doing don down during each few for from further had has have having he her here hers him his how i if in into is it its itself just ll may me might more most must my no nor not now of off on once only or other our out over own re s same she should so some such t than that the their them then there these they this those through to too under until up ve very was we were what when where which while who whom why will with would you your also another anything around become cannot come either else enough etc even ever every everything first get gets give given gives go goes got however instead keep kept last less let like made make makes many much need needs neither never new next none nothing one per put quite rather said say says second see seen since something still take taken takes tell than things thing three together told took toward two upon use used uses using want way well went whether whose within without yes yet zero"));
STOP.push(setOf("aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei beim bin bis bist da damit dann das dass daß dazu dein dem den denn der des dessen deshalb die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch für gegen hab habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in indem ins ist ja jede jedem jeden jeder jedes kann kein keine keinen keiner können könnte man manche mehr mein meine mich mir mit muss nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind so solche soll sollte sondern sonst über um und uns unser unter viel vom von vor war waren warum was weil welche wenn werde werden wie wieder will wir wird wo wurde wurden zu zum zur zwar zwischen bereits beide beiden etwa ganz gar gibt heute immer jetzt lassen lässt machen macht mal mehrere möglich neue neuen sagt sagte schon seit sei seien sowie statt trotz weit wenig weniger wer wohl worden zwei"));
STOP.push(setOf("a à ai ainsi alors au aucun aussi autre autres aux avait avant avec avoir c car ce ceci cela celle celles celui ces cet cette ceux chaque comme comment d dans de depuis des deux donc dont du elle elles en encore entre est et étaient était été être eu fait faire fois ici il ils j je l la là le les leur leurs lorsque lui m ma mais me même mes moi moins mon n ne ni non nos notre nous on ont ou où par parce pas peu peut plus pour pourquoi puis qu quand que quel quelle quelles quels qui s sa sans se sera ses si son sont sous sur t ta te tes toi ton tous tout toute toutes très tu un une vers vos votre vous y"));
STOP.push(setOf("a al algo algunas algunos ante antes aquel así aún aunque bajo bien cada casi como con contra cual cuando de del desde donde dos durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está estaba están estar estas este esto estos fue fueron ha había han hasta hay la las le les lo los más me mi mientras mis mucho muy nada ni no nos nosotros nuestra nuestro o os otra otras otro otros para pero poco por porque puede pues que qué quien se sea según ser si sí sido sin sino sobre son su sus también tan tanto te tiene tienen toda todas todo todos tras tu un una unas uno unos y ya yo"));
STOP.push(setOf("a ad agli ai al alla alle allo anche ancora avere aveva c che chi ci come con contro cui da dagli dai dal dalla dalle dallo degli dei del della delle dello dentro di dopo dove due e ed era erano essere fa fra fu già gli ha hanno ho i il in io l la le lei li lo loro lui ma mi mia mio molto ne negli nei nel nella nelle nello no noi non nostra nostro o ogni per perché però più poi prima qua quale quando quanto quasi quella quelle quelli quello questa queste questi questo qui se sei senza si sia sono sopra sotto sta stata stati stato su sua sue sugli sui sul sulla suo suoi tra tu tutta tutte tutti tutto un una uno vi voi è"));
STOP.push(setOf("a ao aos aquela aquele aqueles aquilo as assim até cada com como contra da das de dela dele deles depois desde do dos e ela elas ele eles em enquanto entre era essa essas esse esses esta estas este estes está estão eu foi foram há isso isto já lhe mais mas me mesmo meu minha muito na nas nem no nos nossa nosso num numa não nós o onde os ou outra outro para pela pelas pelo pelos pode por porque qual quando que quem se sem ser seu seus sob sobre sua suas são só também tem tinha toda todas todo todos tu tudo um uma umas uns você vocês à às é"));
STOP.push(setOf("aan al alles als altijd andere ben bij daar dan dat de der deze die dit doch doen door dus een eens en er ge geen geweest haar had heb hebben heeft hem het hier hij hoe hun iemand iets ik in is ja je kan kon kunnen maar me meer men met mij mijn moet na naar niet niets nog nu of om omdat onder ons ook op over reeds te tegen toch toen tot u uit uw van veel voor want waren was wat we wel werd wezen wie wij wil worden wordt zal ze zelf zich zij zijn zo zonder zou"));
const CODE = setOf("abstract any args array as assert async await bool boolean break byte case catch char class const constructor continue def default del delete do double elif else end endif enum err eval except export extends extern false final finally float fn for foreach from func function get global goto if impl implements import in include init inline instanceof int int32 int64 interface is lambda len let list local long loop main match mod module move mut namespace new nil none nonlocal not null number object of operator or override package param pass pass print println private protected pub public raise ref require return self set short signed sizeof static str string struct super switch template then this throw throws trait true try tuple type typedef typeof u16 u32 u64 u8 undefined union unknown unsafe unsigned use using val value var virtual void volatile where while with yield");

function setOf(words: string): Set<string> {
  const set = new Set<string>();
  const list = words.split(" ");
  for (let i = 0; i < list.length; i++) set.add(list[i]);
  return set;
}

/**
 * What counts as a stop word in a text: those of the language that is named, or whose words the text holds most. With
 * "code", and when `code` is set, also the keywords of programming languages.
 */
export class StopWords {
  private words: Set<string>;
  private code: bool;

  constructor(language: string, code: bool, words: string[]) {
    let at = CODES.indexOf(language.toLowerCase());
    this.code = code || language == "code";
    if (at < 0) {
      let most = -1;
      for (let i = 0; i < STOP.length; i++) {
        let hits = 0;
        for (let j = 0; j < words.length; j++) if (STOP[i].has(words[j])) hits++;
        if (hits > most) { most = hits; at = i; }
      }
    }
    this.words = STOP[at];
  }

  /** `word` is in small letters. */
  has(word: string): bool { return this.words.has(word) || (this.code && CODE.has(word)); }
}
