// parse.js GRAMMAR FILE…: parses every file and names the first place that is no program of that language.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Language, Parser } from 'web-tree-sitter';

const require = createRequire(import.meta.url);
const [grammar, ...files] = process.argv.slice(2);

function firstError(node) {
  if (node.isError || node.isMissing) return node;
  for (const child of node.children) {
    const found = child.hasError || child.isMissing ? firstError(child) : null;
    if (found) return found;
  }
  return null;
}

async function main() {
  await Parser.init();
  const parser = new Parser();
  parser.setLanguage(await Language.load(require.resolve(`tree-sitter-wasms/out/tree-sitter-${grammar}.wasm`)));
  let bad = 0;
  for (const file of files) {
    const root = parser.parse(readFileSync(file, 'utf8')).rootNode;
    if (!root.hasError) continue;
    bad++;
    const at = firstError(root) ?? root;
    const what = at.isMissing ? `missing ${at.type}` : JSON.stringify(at.text.slice(0, 80));
    console.log(`${file}:${at.startPosition.row + 1}:${at.startPosition.column + 1}: ${what}`);
  }
  return bad ? 1 : 0;
}

// A stack trace would quote the whole minified library.
main().then((code) => process.exit(code), (err) => { console.log(err.message); process.exit(2); });
