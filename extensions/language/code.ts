// Source code and data formats: by a file's name, else by what its lines look like. Markdown and plain text are prose.
import { parseJson } from "symphony/json";
import { Guess } from "./latin";

const ENDINGS = new Map<string, string>();
endings("TypeScript", "ts tsx mts cts");
endings("JavaScript", "js jsx mjs cjs");
endings("Python", "py pyi pyw");
endings("C", "c h");
endings("C++", "cc cpp cxx hpp hh hxx");
endings("C#", "cs");
endings("Rust", "rs");
endings("Go", "go");
endings("Java", "java");
endings("Kotlin", "kt kts");
endings("Swift", "swift");
endings("Ruby", "rb");
endings("PHP", "php");
endings("Lua", "lua");
endings("Perl", "pl pm");
endings("R", "r");
endings("Scala", "scala");
endings("Haskell", "hs");
endings("Zig", "zig");
endings("Dart", "dart");
endings("Shell", "sh bash zsh");
endings("PowerShell", "ps1");
endings("SQL", "sql");
endings("HTML", "html htm");
endings("CSS", "css scss less");
endings("XML", "xml svg xsd");
endings("JSON", "json jsonc jsonl ndjson geojson");
endings("TOML", "toml");
endings("YAML", "yaml yml");
endings("INI", "ini cfg conf");
endings("CSV", "csv tsv");
endings("WIT", "wit");
endings("WebAssembly text", "wat wast");
endings("Protocol Buffers", "proto");
endings("GraphQL", "graphql gql");

const PROSE = ["md", "markdown", "mdx", "txt", "text", "rst", "adoc", "org", "tex", "srt"];

function endings(name: string, list: string): void {
  const each = list.split(" ");
  for (let i = 0; i < each.length; i++) ENDINGS.set(each[i], name);
}

export enum Place { Prose, Code, Unknown }

/** What a file's name says. */
export class PathGuess {
  constructor(public place: Place, public name: string) {}
}

export function guessPath(path: string): PathGuess {
  const file = path.substring(max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1).toLowerCase();
  if (file == "makefile" || file == "dockerfile") return new PathGuess(Place.Code, file == "makefile" ? "Makefile" : "Dockerfile");
  const dot = file.lastIndexOf(".");
  if (dot < 0) return new PathGuess(Place.Unknown, "");
  const ending = file.substring(dot + 1);
  if (PROSE.includes(ending)) return new PathGuess(Place.Prose, "");
  return ENDINGS.has(ending) ? new PathGuess(Place.Code, ENDINGS.get(ending)) : new PathGuess(Place.Unknown, "");
}

/** A mark that tells a programming language: begins a line, or stands within it. */
class Mark {
  constructor(public language: i32, public text: string, public begins: bool, public weight: f64) {}
}

const NAMES: string[] = [];
const MARKS: Mark[] = [];
// between bars; "^" begins a line; "!" counts threefold
marks("TypeScript", "^!interface |^!export interface |^!type |^!export type |^!import type |!: string|!: number|!: boolean|: void|!readonly | as const|^const |^let |^export |^import |=> |${|===|?.");
marks("JavaScript", "^const |^let |^var |^!function |!require(|!module.exports|===|=> |^export |^import |document.|!console.log(|${|!async function|?.");
marks("Python", "^!def |^!elif |^import |^!from |self.|!__init__|!None|^class |^except|^async def |print(|\"\"\"| in range(| is not |^with |^raise ");
marks("C", "^#include <|^!#include \"|^!#define |^#if|!int main(|printf(|->|NULL|!sizeof(|char *|void *|^!typedef |^static |^struct |malloc(|uint8_t");
marks("C++", "!std::|^!template|^!namespace |^!using namespace|::|^#include <|cout|nullptr|^class |const auto|public:|private:");
marks("Rust", "^!fn |^!pub fn |!let mut |^!impl |^!use |&str|&mut |-> |::|!Some(|.unwrap()|^match |^!#[|^pub |^mod |Result<");
marks("Go", "^!package |^!func |:=|fmt.|err != nil|^!type |^defer |!chan |^import (|make(");
marks("Java", "^!public class |!public static void |^private |!System.out|^!import java|^!@Override|^public |^protected |^!package |final |new ");
marks("C#", "^!using System|^!namespace |!Console.|^public |^private |get; set;|^[|var |string ");
marks("Shell", "^!#!/bin/|^!#!/usr/bin/env bash|^echo |^!fi|^!done|; then|; do|$(|^!if [|^esac|^export |\"$|^set -|^cd |^mkdir |^npm |^git |^sudo ");
marks("SQL", "^!select |^from |^where |^!insert into |^!create table |^!update |^values|^join | primary key|^left join |^group by |^order by |varchar");
marks("CSS", "px;|^!@media|^!color:|^!margin|^!padding|^!display:|^font-|^background|^.|em;|%;|^border");
marks("HTML", "^!<!doctype html|^!<html|^<div|</div>|^<p>|</a>|href=|^<head|^<body|^!<script|</span>|</li>");
marks("PHP", "^!<?php|^$|->|^function |^echo |^use |=>|public function ");
marks("Ruby", "^def |^!end|^!require '|^puts |do |^!module |.each|^attr_|@|nil");

function marks(name: string, list: string): void {
  const each = list.split("|");
  for (let i = 0; i < each.length; i++) {
    let text = each[i];
    const begins = text.startsWith("^");
    if (begins) text = text.substring(1);
    const strong = text.startsWith("!") && text.length > 1;
    if (strong) text = text.substring(1);
    if (text.length) MARKS.push(new Mark(NAMES.length, text, begins, strong ? 3 : 1));
  }
  NAMES.push(name);
}

const LINES_MAX = 400;

/** Code by its content, or null when it looks like prose. */
export function guessCode(text: string): Guess | null {
  const start = text.trimStart();
  if (start.length == 0) return null;
  if (start.startsWith("#!")) {
    const first = start.substring(0, max(0, start.indexOf("\n") < 0 ? start.length : start.indexOf("\n")));
    return new Guess("code", first.includes("python") ? "Python" : first.includes("node") || first.includes("bun") || first.includes("deno") ? "JavaScript" : first.includes("ruby") ? "Ruby" : first.includes("perl") ? "Perl" : "Shell", 0.98);
  }
  const c = start.charCodeAt(0);
  if ((c == 123 || c == 91) && parseJson(start).value) return new Guess("code", "JSON", 0.99);
  const head = start.substring(0, 200).toLowerCase();
  if (head.startsWith("<!doctype html") || head.startsWith("<html")) return new Guess("code", "HTML", 0.98);
  if (head.startsWith("<?xml") || head.startsWith("<svg")) return new Guess("code", "XML", 0.98);
  if (head.startsWith("<?php")) return new Guess("code", "PHP", 0.98);
  return byLines(text);
}

function byLines(text: string): Guess | null {
  const lines = text.split("\n");
  const scores = new StaticArray<f64>(NAMES.length);
  /** What ends the comment or docstring that is open. */
  let until = "";
  let filled = 0, like = 0, ended = 0, tables = 0, assigned = 0, keyed = 0;
  for (let i = 0; i < lines.length && filled < LINES_MAX; i++) {
    const line = lines[i].trim().substring(0, 400);
    if (until.length) {
      if (line.includes(until)) until = "";
      continue;
    }
    if (line.length == 0) continue;
    if (line.startsWith("/*") || line.startsWith('"""')) {
      const ending = line.startsWith("/*") ? "*/" : '"""';
      if (line.indexOf(ending, 2) < 0 || (line.length == 3 && ending.length == 3)) until = ending;
      continue;
    }
    const comment = line.startsWith("//") || line.startsWith("# ") || line == "#" || line.startsWith("-- ");
    if (comment) continue;
    filled++;
    const last = line.charCodeAt(line.length - 1);
    const first = line.charCodeAt(0);
    if (first == 91 && last == 93 && !line.includes(" ")) tables++;
    else if (isKey(line, 61)) assigned++;
    else if (isKey(line, 58) || (line.startsWith("- ") && isKey(line.substring(2), 58))) keyed++;
    let marked: f64 = 0;
    const lower = line.toLowerCase();
    for (let j = 0; j < MARKS.length; j++) {
      const mark = MARKS[j];
      // SQL and HTML don't mind capitals
      const name = NAMES[mark.language];
      const where = name == "SQL" || name == "HTML" ? lower : line;
      if (mark.begins ? !where.startsWith(mark.text) : !where.includes(mark.text)) continue;
      scores[mark.language] += mark.weight;
      marked = max(marked, mark.weight);
    }
    const ends = last == 59 || last == 123 || last == 125 || (first == 60 && last == 62);
    const shaped = (line.includes("(") && (last == 41 || last == 58 || last == 44)) || line.includes(" = ") || line.includes(":=") || line.includes("()");
    if (ends) ended++;
    // a row of a table: a quoted text or a name, and a comma
    const row = last == 44 && (first == 34 || first == 39 || isKey(line, 58));
    if (ends || row || (shaped && (marked > 0 || line.includes(" = "))) || (marked >= 3 && !endsLikeProse(last))) like++;
  }
  if (filled == 0) return null;
  if (filled >= 2 && tables >= 1 && assigned >= 1 && tables + assigned > filled * 7 / 10) return new Guess("code", "TOML", 0.9);
  if (filled >= 3 && keyed > filled * 7 / 10 && like * 4 < filled) return new Guess("code", "YAML", 0.8);
  const share = <f64>like / filled;
  if (share <= 0.4 || (filled < 3 && ended < filled)) return null;
  let best = 0;
  let second: f64 = 0;
  for (let j = 1; j < NAMES.length; j++) if (scores[j] > scores[best]) best = j;
  for (let j = 0; j < NAMES.length; j++) if (j != best) second = max(second, scores[j]);
  if (scores[best] == 0) return filled < 3 ? null : new Guess("code", "Source code", share * 0.6);
  // Markdown begins with a few lines of HTML now and then
  if (NAMES[best] == "HTML" && share < 0.8) return null;
  // TypeScript is JavaScript with types: without any, it is JavaScript
  let name = NAMES[best];
  if (name == "TypeScript" && scores[best] <= scores[1]) name = "JavaScript";
  const lead = (scores[best] + 1) / (scores[best] + second + 1);
  return new Guess("code", name, min(0.99, (0.5 + 0.5 * share) * (0.4 + 0.6 * lead)));
}

function endsLikeProse(c: i32): bool { return c == 46 || c == 44 || c == 63 || c == 33; }

/** Whether a line is a name, then `sign`, then something: `name = 1`, `name: x`. */
function isKey(line: string, sign: i32): bool {
  let at = 0;
  while (at < line.length) {
    const c = line.charCodeAt(at);
    if (!((c | 32) >= 97 && (c | 32) <= 122) && !(c >= 48 && c <= 57) && c != 45 && c != 95 && c != 46 && c != 34) break;
    at++;
  }
  if (at == 0) return false;
  while (at < line.length && line.charCodeAt(at) == 32 && sign == 61) at++;
  if (at >= line.length || line.charCodeAt(at) != sign) return false;
  const last = line.charCodeAt(line.length - 1);
  return last != 59 && last != 123 && (at + 1 == line.length || line.charCodeAt(at + 1) == 32);
}
