// Signs a text with a secret that it never sees.
import secrets from "symphony:host/secrets@0.1.0";
import { operator, text, utf8 } from "symphony";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export const transform = operator((call) => {
  const signature = secrets.sign(call.setting("secret"), utf8(call.input("text")));
  call.output("hex", text(Array.from(signature, (byte) => byte.toString(16).padStart(2, "0")).join("")));
  call.output("base64", text(base64(signature)));
});

function base64(bytes) {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const three = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const count = bytes.length - i;
    out += LETTERS[three >> 18] + LETTERS[(three >> 12) & 63] + (count > 1 ? LETTERS[(three >> 6) & 63] : "=") + (count > 2 ? LETTERS[three & 63] : "=");
  }
  return out;
}
