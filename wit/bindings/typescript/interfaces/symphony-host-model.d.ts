// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/model@0.1.0 **/
/**
 * Asks and waits for the whole answer.
 */
export function chat(model: string, messages: Array<Message>, options: Options): Answer;
/**
 * Asks, and gives the answer as it comes.
 */
export function chatStream(model: string, messages: Array<Message>, options: Options): Reply;
/**
 * Has a text continued.
 */
export function complete(model: string, prompt: string, options: Options): Answer;
/**
 * Has texts (at most 2048) turned into vectors.
 */
export function embed(model: string, texts: Array<string>): Embeddings;
export type Error = import('./symphony-types-types.js').Error;
/**
 * Who says a message.
 * # Variants
 * 
 * ## `"system"`
 * 
 * ## `"user"`
 * 
 * ## `"assistant"`
 */
export type Role = 'system' | 'user' | 'assistant';
/**
 * One message of a chat.
 */
export interface Message {
  /**
   * Who says it.
   */
  role: Role,
  /**
   * What is said.
   */
  content: string,
}
/**
 * What is left out is the provider's to choose.
 */
export interface Options {
  /**
   * At most so many tokens of an answer.
   */
  maxTokens?: number,
  /**
   * From 0 on.
   */
  temperature?: number,
  /**
   * Equal seeds may give equal answers.
   */
  seed?: number,
  /**
   * Texts at which an answer ends.
   */
  stop: Array<string>,
  /**
   * The answer is to be JSON.
   */
  jsonAnswer: boolean,
}
/**
 * What it took.
 */
export interface Usage {
  /**
   * Tokens that were read.
   */
  inputTokens: number,
  /**
   * Tokens that were written.
   */
  outputTokens: number,
  /**
   * By the prices in the home's settings; 0 where there are none.
   */
  cost: number,
}
/**
 * A whole answer.
 */
export interface Answer {
  /**
   * What was said.
   */
  text: string,
  /**
   * Why it ended, as the provider says: `stop`, `length`.
   */
  finish: string,
  /**
   * The model as the provider names it.
   */
  model: string,
  /**
   * What it took.
   */
  usage: Usage,
}
/**
 * One vector for each text.
 */
export interface Embeddings {
  /**
   * In the order of the texts.
   */
  vectors: Array<Float64Array>,
  /**
   * The model as the provider names it.
   */
  model: string,
  /**
   * What it took.
   */
  usage: Usage,
}

export class Reply {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  /**
  * Waits for the next piece; nothing at the end.
  */
  next(): string | undefined;
  /**
  * The answer so far, or all of it; what it took is known at the end.
  */
  answer(): Answer;
}
