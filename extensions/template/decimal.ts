// Decimal numbers by their text: rounding and sums without the detour through binary fractions.

/** A decimal number: digits before and after the point, without an exponent. */
class Decimal {
  constructor(public negative: bool, public whole: string, public fraction: string) {}
}

/** An exponent further out is not written out as digits. */
const EXPONENT_MAX = 400;

/** The parts of a JSON number, or null when the text is none or has too large an exponent. */
function parseDecimal(text: string): Decimal | null {
  const negative = text.startsWith("-");
  let at = negative ? 1 : 0;
  const from = at;
  while (at < text.length && isDigit(text.charCodeAt(at))) at++;
  let whole = text.substring(from, at);
  if (whole.length == 0) return null;
  let fraction = "";
  if (at < text.length && text.charCodeAt(at) == 46) {
    const begin = ++at;
    while (at < text.length && isDigit(text.charCodeAt(at))) at++;
    fraction = text.substring(begin, at);
  }
  if (at < text.length) {
    if ((text.charCodeAt(at) | 32) != 101 || text.length - at > 6) return null;
    const exponent = parseInt(text.substring(at + 1));
    if (isNaN(exponent) || Math.abs(exponent) > EXPONENT_MAX) return null;
    for (let left = <i32>exponent; left > 0; left--) {
      whole += fraction.length ? fraction.charAt(0) : "0";
      fraction = fraction.substring(1);
    }
    for (let left = <i32>exponent; left < 0; left++) {
      fraction = (whole.length ? whole.charAt(whole.length - 1) : "0") + fraction;
      whole = whole.substring(0, max(0, whole.length - 1));
    }
  }
  let zeros = 0;
  while (zeros < whole.length && whole.charCodeAt(zeros) == 48) zeros++;
  return new Decimal(negative, whole.substring(zeros), fraction);
}

function isDigit(c: i32): bool { return c >= 48 && c <= 57; }

/** A number's text with exactly `places` decimals, halves rounded away from zero; empty when the text is no number. */
export function fixed(text: string, places: i32): string {
  const number = parseDecimal(text);
  if (!number) return "";
  const kept = number.fraction.substring(0, places).padEnd(places, "0");
  const up = number.fraction.length > places && number.fraction.charCodeAt(places) >= 53;
  const digits = (number.whole + kept).split("");
  let carry = up;
  let zero = true;
  for (let i = digits.length - 1; i >= 0; i--) {
    if (carry) {
      carry = digits[i] == "9";
      digits[i] = carry ? "0" : String.fromCharCode(digits[i].charCodeAt(0) + 1);
    }
    if (digits[i] != "0") zero = false;
  }
  let all = (carry ? "1" : "") + digits.join("");
  if (carry) zero = false;
  const whole = all.substring(0, all.length - places);
  all = (whole.length ? whole : "0") + (places ? "." + all.substring(all.length - places) : "");
  return (number.negative && !zero ? "-" : "") + all;
}

/** The sum of numbers by their text: exact where it fits 18 digits, else in binary, in the order given. */
export function sum(numbers: string[]): string {
  let scale = 0;
  const parts: Decimal[] = [];
  for (let i = 0; i < numbers.length; i++) {
    const part = parseDecimal(numbers[i]);
    if (!part) return inBinary(numbers);
    scale = max(scale, part.fraction.length);
    parts.push(part);
  }
  let total: i64 = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part.whole.length + scale > 18) return inBinary(numbers);
    const digits = part.whole + part.fraction.padEnd(scale, "0");
    const value = digits.length ? I64.parseInt(digits) : 0;
    total += part.negative ? -value : value;
    // each part is below 10^18, so a sum below 8 * 10^18 can't have wrapped
    if (total > 8000000000000000000 || total < -8000000000000000000) return inBinary(numbers);
  }
  const negative = total < 0;
  const digits = (negative ? -total : total).toString().padStart(scale + 1, "0");
  let fraction = digits.substring(digits.length - scale);
  let end = fraction.length;
  while (end > 0 && fraction.charCodeAt(end - 1) == 48) end--;
  fraction = fraction.substring(0, end);
  return (negative ? "-" : "") + digits.substring(0, digits.length - scale) + (fraction.length ? "." + fraction : "");
}

function inBinary(numbers: string[]): string {
  let total: f64 = 0;
  for (let i = 0; i < numbers.length; i++) total += parseFloat(numbers[i]);
  return isFinite(total) ? total.toString() : "null";
}
