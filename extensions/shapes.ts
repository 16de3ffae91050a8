// Generated from the manifests by `npm run bindings`; never edited. The extensions that ship, for melodies that are built in code.

/** By id: ports that must be fed (inputs), that need not be (options), what is given (outputs), and settings. */
export const SHIPPED = {
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
