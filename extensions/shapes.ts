// Generated from the manifests by `npm run bindings`; never edited. The extensions that ship, for melodies that are built in code.

/** By id: ports that must be fed (inputs), that need not be (options), what is given (outputs), and settings. */
export const SHIPPED = {
  "chat": {
    "kind": "instrument",
    "inputs": {
      "prompt": "text"
    },
    "options": {
      "system": "text",
      "history": "json"
    },
    "outputs": {
      "text": "text",
      "json": "json",
      "usage": "json"
    },
    "settings": {
      "model": "text",
      "temperature": "number",
      "maxTokens": "number",
      "seed": "number",
      "stop": "list<text>",
      "jsonAnswer": "boolean"
    }
  },
  "csv": {
    "kind": "operator",
    "inputs": {
      "text": "text"
    },
    "options": {},
    "outputs": {
      "rows": "list<json>",
      "columns": "json",
      "count": "number"
    },
    "settings": {
      "delimiter": "text",
      "header": "boolean",
      "numbers": "boolean",
      "ragged": [
        "error",
        "pad"
      ]
    }
  },
  "embed": {
    "kind": "instrument",
    "inputs": {
      "texts": "list<text>"
    },
    "options": {},
    "outputs": {
      "vectors": "list<json>",
      "usage": "json"
    },
    "settings": {
      "model": "text",
      "batch": "number"
    }
  },
  "files": {
    "kind": "operator",
    "inputs": {
      "folder": "folder"
    },
    "options": {
      "path": "text"
    },
    "outputs": {
      "paths": "list<text>",
      "skipped": "number",
      "text": "text",
      "binary": "boolean",
      "size": "number",
      "truncated": "boolean"
    },
    "settings": {
      "include": "text",
      "exclude": "text",
      "maxFiles": "number",
      "maxBytes": "number"
    }
  },
  "http": {
    "kind": "operator",
    "inputs": {
      "url": "text"
    },
    "options": {
      "body": "any"
    },
    "outputs": {
      "status": "number",
      "text": "text",
      "json": "json",
      "bytes": "bytes",
      "headers": "json",
      "url": "text"
    },
    "settings": {
      "method": [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS"
      ],
      "headers": "json",
      "secret": "text",
      "secretHeader": "text",
      "secretPrefix": "text",
      "failOn": [
        "never",
        "5xx",
        "4xx"
      ],
      "redirects": "number",
      "timeoutMs": "number"
    }
  },
  "json-transform": {
    "kind": "operator",
    "inputs": {},
    "options": {
      "data": "json",
      "items": "list<json>"
    },
    "outputs": {
      "result": "json",
      "items": "list<json>"
    },
    "settings": {
      "expression": "text"
    }
  },
  "keywords": {
    "kind": "instrument",
    "inputs": {
      "text": "text"
    },
    "options": {
      "language": "text"
    },
    "outputs": {
      "keywords": "list<text>",
      "scored": "json"
    },
    "settings": {
      "count": "number",
      "maxWords": "number"
    }
  },
  "language": {
    "kind": "instrument",
    "inputs": {
      "text": "text"
    },
    "options": {
      "path": "text"
    },
    "outputs": {
      "language": "text",
      "name": "text",
      "confidence": "number"
    },
    "settings": {}
  },
  "remember": {
    "kind": "operator",
    "inputs": {
      "key": "text"
    },
    "options": {
      "value": "any"
    },
    "outputs": {
      "value": "any",
      "found": "boolean"
    },
    "settings": {
      "do": [
        "get",
        "set",
        "delete",
        "increment"
      ]
    }
  },
  "sign": {
    "kind": "operator",
    "inputs": {
      "text": "text"
    },
    "options": {},
    "outputs": {
      "hex": "text",
      "base64": "text"
    },
    "settings": {
      "secret": "text"
    }
  },
  "summarize": {
    "kind": "instrument",
    "inputs": {},
    "options": {
      "text": "text",
      "parts": "list<text>"
    },
    "outputs": {
      "summary": "text",
      "sentences": "list<text>"
    },
    "settings": {
      "sentences": "number",
      "maxSentences": "number"
    }
  },
  "template": {
    "kind": "operator",
    "inputs": {},
    "options": {
      "data": "json",
      "items": "list<json>"
    },
    "outputs": {
      "text": "text",
      "document": "content"
    },
    "settings": {
      "template": "text",
      "as": [
        "text",
        "artifact"
      ],
      "mediaType": "text"
    }
  },
  "text-split": {
    "kind": "operator",
    "inputs": {
      "text": "text"
    },
    "options": {},
    "outputs": {
      "parts": "list<text>",
      "count": "number"
    },
    "settings": {
      "maxCharacters": "number",
      "by": [
        "paragraph",
        "sentence",
        "word",
        "line"
      ]
    }
  }
} as const;
