/**
 * Canonical XML 1.1 (W3C, 2008) of one element and what is in it, without comments. Where no attribute has the `xml:`
 * prefix, which the parser sees to, there is nothing in which it differs from version 1.0.
 */
import type { XmlAttribute, XmlElement } from "../parse/xml.ts";

const TEXT_ESCAPES = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ["\r", "&#xD;"],
]);
const ATTRIBUTE_ESCAPES = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  ['"', "&quot;"],
  ["\t", "&#x9;"],
  ["\n", "&#xA;"],
  ["\r", "&#xD;"],
]);

function escapeText(text: string): string {
  return text.replaceAll(/[&<>\r]/g, (character) => TEXT_ESCAPES.get(character)!);
}

function escapeAttribute(text: string): string {
  return text.replaceAll(/[&<"\t\n\r]/g, (character) => ATTRIBUTE_ESCAPES.get(character)!);
}

/** By code points, as the specification sorts; all names and namespaces read here are ASCII or compare alike. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareAttributes(a: XmlAttribute, b: XmlAttribute): number {
  return compare(a.uri, b.uri) || compare(a.local, b.local);
}

/** The namespaces of `scope` that what was written around the element does not already say. */
function namespaceNodes(scope: ReadonlyMap<string, string>, written: ReadonlyMap<string, string>): string {
  return [...scope]
    .filter(([prefix, uri]) => written.get(prefix) !== uri)
    .toSorted(([a], [b]) => compare(a, b))
    .map(([prefix, uri]) => ` xmlns${prefix === "" ? "" : `:${prefix}`}="${escapeAttribute(uri)}"`)
    .join("");
}

function write(
  element: XmlElement,
  written: ReadonlyMap<string, string>,
  leftOut: XmlElement | undefined,
  parts: string[],
): void {
  const { prefix, local, scope, attributes, children } = element;
  const name = prefix === "" ? local : `${prefix}:${local}`;
  parts.push("<", name, namespaceNodes(scope, written));
  for (const attribute of attributes.toSorted(compareAttributes)) {
    const attributeName =
      attribute.prefix === "" ? attribute.local : `${attribute.prefix}:${attribute.local}`;
    parts.push(" ", attributeName, '="', escapeAttribute(attribute.value), '"');
  }
  parts.push(">");
  for (const child of children) {
    if (typeof child === "string") parts.push(escapeText(child));
    else if (child !== leftOut) write(child, scope, leftOut, parts);
  }
  parts.push("</", name, ">");
}

/**
 * @param leftOut a descendant that is not written: the enveloped signature
 * @returns canonical text, to be encoded in UTF-8
 */
export function canonicalXml(element: XmlElement, leftOut?: XmlElement): string {
  const parts: string[] = [];
  write(element, new Map(), leftOut, parts);
  return parts.join("");
}
