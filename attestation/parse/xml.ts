/**
 * A strict reader of the part of XML 1.0 with namespaces that signed manifests use: elements, attributes, text, the five
 * named entities and character references. Document types, processing instructions, CDATA sections and comments are
 * refused, and so is every attribute of the `xml:` prefix: without them canonical XML 1.0 and 1.1 are the same, and what
 * is read is what is signed.
 */

export interface XmlAttribute {
  readonly prefix: string;
  readonly local: string;
  /** Namespace; empty for an attribute without prefix. */
  readonly uri: string;
  readonly value: string;
}

export interface XmlElement {
  readonly prefix: string;
  readonly local: string;
  readonly uri: string;
  readonly attributes: readonly XmlAttribute[];
  /** Every namespace in scope, by prefix; the default one under "". */
  readonly scope: ReadonlyMap<string, string>;
  readonly children: readonly (XmlElement | string)[];
}

export class XmlError extends Error {
  override readonly name = "XmlError";
}

const MAX_TEXT_LENGTH = 1 << 20;
const MAX_ELEMENTS = 16_384;
const MAX_DEPTH = 16;
const MAX_ATTRIBUTES = 64;
const NAME = /[A-Za-z_][A-Za-z0-9_.-]{0,127}(?::[A-Za-z_][A-Za-z0-9_.-]{0,127})?/y;
const SPACES = /[ \t\n]*/y;
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));/y;
const ENTITIES = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);
/** Whether there is a character that XML 1.0 does not have: most controls, two non-characters, half a surrogate pair. */
function hasForbidden(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 ? code !== 9 && code !== 10 && code !== 13 : code >= 0xfffe) return true;
    if (code < 0xd800 || code > 0xdfff) continue;
    const next = text.charCodeAt(++i);
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true;
  }
  return false;
}

interface RawAttribute {
  readonly name: string;
  readonly value: string;
}

function fail(message: string): never {
  throw new XmlError(message);
}

function splitName(name: string): { prefix: string; local: string } {
  const colon = name.indexOf(":");
  return colon < 0
    ? { prefix: "", local: name }
    : { prefix: name.slice(0, colon), local: name.slice(colon + 1) };
}

class Reader {
  private readonly text: string;
  private position = 0;
  private elements = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): XmlElement {
    if (this.text.startsWith("<?xml ")) this.position = this.find("?>", 512) + 2;
    this.match(SPACES);
    const root = this.element(new Map(), 1);
    this.match(SPACES);
    if (this.position !== this.text.length) fail("text behind the root element");
    return root;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text);
    if (found !== null) this.position += found[0].length;
    return found;
  }

  private find(what: string, within = MAX_TEXT_LENGTH): number {
    const at = this.text.indexOf(what, this.position);
    return at < 0 || at - this.position > within ? fail(`no ${what}`) : at;
  }

  private expect(what: string): void {
    if (!this.text.startsWith(what, this.position)) fail(`expected ${what} at ${this.position}`);
    this.position += what.length;
  }

  private readName(): string {
    return this.match(NAME)?.[0] ?? fail(`no name at ${this.position}`);
  }

  /** Text with its references resolved. A line break or tab written as itself is a space in an attribute. */
  private resolve(from: number, to: number, isAttribute: boolean): string {
    const raw = this.text.slice(from, to);
    const plain = isAttribute ? raw.replaceAll(/[\t\n]/g, " ") : raw;
    if (!plain.includes("&")) return plain;
    const parts: string[] = [];
    let at = 0;
    for (let next = plain.indexOf("&"); next >= 0; next = plain.indexOf("&", at)) {
      REFERENCE.lastIndex = next;
      const found = REFERENCE.exec(plain) ?? fail("an unknown reference");
      parts.push(plain.slice(at, next), referenced(found));
      at = next + found[0].length;
    }
    return parts.join("") + plain.slice(at);
  }

  private attributes(): RawAttribute[] {
    const list: RawAttribute[] = [];
    for (;;) {
      const spaces = this.match(SPACES)?.[0] ?? "";
      const next = this.text[this.position];
      if (next === ">" || next === "/") return list;
      if (spaces === "") fail("no space before an attribute");
      if (list.length === MAX_ATTRIBUTES) fail("too many attributes");
      const name = this.readName();
      this.match(SPACES);
      this.expect("=");
      this.match(SPACES);
      const quote = this.text[this.position];
      if (quote !== '"' && quote !== "'") fail("an attribute without quotes");
      this.position++;
      const end = this.find(quote);
      if (this.text.slice(this.position, end).includes("<")) fail("< in an attribute");
      list.push({ name, value: this.resolve(this.position, end, true) });
      this.position = end + 1;
    }
  }

  private element(outer: ReadonlyMap<string, string>, depth: number): XmlElement {
    if (depth > MAX_DEPTH) fail("nested too deep");
    if (this.elements++ === MAX_ELEMENTS) fail("too many elements");
    this.expect("<");
    const name = this.readName();
    const raw = this.attributes();
    const scope = scopeOf(outer, raw);
    const { prefix, local } = splitName(name);
    const uri = scope.get(prefix) ?? (prefix === "" ? "" : fail(`prefix ${prefix} is not declared`));
    const attributes = attributesOf(raw, scope);
    if (this.text[this.position] === "/") {
      this.expect("/>");
      return { prefix, local, uri, attributes, scope, children: [] };
    }
    this.expect(">");
    const children = this.content(scope, depth);
    this.expect("</");
    this.expect(name);
    this.match(SPACES);
    this.expect(">");
    return { prefix, local, uri, attributes, scope, children };
  }

  private content(scope: ReadonlyMap<string, string>, depth: number): (XmlElement | string)[] {
    const children: (XmlElement | string)[] = [];
    for (;;) {
      const next = this.find("<");
      if (next > this.position) {
        const text = this.resolve(this.position, next, false);
        if (this.text.slice(this.position, next).includes("]]>")) fail("]]> in text");
        children.push(text);
      }
      this.position = next;
      if (this.text.startsWith("</", next)) return children;
      if (/[!?]/.test(this.text[next + 1] ?? ""))
        fail("a declaration, instruction, comment or CDATA section");
      children.push(this.element(scope, depth + 1));
    }
  }
}

function referenced([, decimal, hex, name]: RegExpExecArray): string {
  if (name !== undefined) return ENTITIES.get(name)!;
  const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
  const character = code <= 0x10_ffff ? String.fromCodePoint(code) : fail("a character that is none");
  return hasForbidden(character) ? fail("a character that XML does not have") : character;
}

/** The namespaces in scope of an element: those around it, and its own. */
function scopeOf(
  outer: ReadonlyMap<string, string>,
  raw: readonly RawAttribute[],
): ReadonlyMap<string, string> {
  const declared = new Map<string, string>();
  for (const { name, value } of raw) {
    const { prefix, local } = splitName(name);
    if (name !== "xmlns" && prefix !== "xmlns") continue;
    const declares = name === "xmlns" ? "" : local;
    // Relative names have no canonical form, and an empty one would undo a declaration.
    if (!/^[a-z][a-z0-9+.-]*:/i.test(value)) fail("a namespace that is no absolute URI");
    if (/^xml/i.test(declares) || value.startsWith("http://www.w3.org/XML/1998/"))
      fail("a reserved namespace");
    if (declared.has(declares)) fail("a namespace declared twice");
    declared.set(declares, value);
  }
  return declared.size === 0 ? outer : new Map([...outer, ...declared]);
}

function attributesOf(
  raw: readonly RawAttribute[],
  scope: ReadonlyMap<string, string>,
): readonly XmlAttribute[] {
  const attributes: XmlAttribute[] = [];
  const seen = new Set<string>();
  for (const { name, value } of raw) {
    const { prefix, local } = splitName(name);
    if (name === "xmlns" || prefix === "xmlns") continue;
    if (prefix === "xml") fail("an attribute of the prefix xml");
    const uri = prefix === "" ? "" : (scope.get(prefix) ?? fail(`prefix ${prefix} is not declared`));
    const expanded = `${uri} ${local}`;
    if (seen.has(expanded)) fail("an attribute twice");
    seen.add(expanded);
    attributes.push({ prefix, local, uri, value });
  }
  return attributes;
}

/** One document's root element. @throws XmlError */
export function parseXml(text: string): XmlElement {
  if (text.length > MAX_TEXT_LENGTH) fail("too large");
  const normal = (text.startsWith("\u{feff}") ? text.slice(1) : text).replaceAll(/\r\n?/g, "\n");
  if (hasForbidden(normal)) fail("a character that XML does not have");
  return new Reader(normal).document();
}

/** Child elements with this name in this namespace. */
export function childrenNamed(parent: XmlElement, uri: string, local: string): readonly XmlElement[] {
  return parent.children.filter(
    (child): child is XmlElement => typeof child !== "string" && child.uri === uri && child.local === local,
  );
}

/** An attribute's value, by namespace (empty for none) and name. */
export function attributeOf(element: XmlElement, local: string, uri = ""): string | undefined {
  return element.attributes.find((attribute) => attribute.local === local && attribute.uri === uri)?.value;
}

/** The text of an element that holds nothing else. @throws XmlError */
export function textIn(element: XmlElement): string {
  if (!element.children.every((child) => typeof child === "string")) fail(`${element.local} holds elements`);
  return element.children.join("");
}
