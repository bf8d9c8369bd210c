import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalXml } from "../verify/xml-c14n.ts";
import { parseXml, XmlError } from "./xml.ts";

function canonical(text: string): string {
  return canonicalXml(parseXml(text));
}

describe("canonical XML, by the examples of its specification", () => {
  test("start and end tags", () => {
    const text = `<doc>
   <e1   />
   <e2   ></e2>
   <e3   name = "elem3"   id="elem3"   />
   <e4   name="elem4"   id="elem4"   ></e4>
   <e5 a:attr="out" b:attr="sorted" attr2="all" attr="I'm"
      xmlns:b="http://www.ietf.org"
      xmlns:a="http://www.w3.org"
      xmlns="http://example.org"/>
</doc>`;
    expect(canonical(text)).toBe(`<doc>
   <e1></e1>
   <e2></e2>
   <e3 id="elem3" name="elem3"></e3>
   <e4 id="elem4" name="elem4"></e4>
   <e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org" attr="I'm" attr2="all" b:attr="sorted" a:attr="out"></e5>
</doc>`);
  });

  test("character changes and references", () => {
    const text =
      '<doc>\r\n<text>First line&#x0d;&#10;Second line</text>\r\n<value>&#x32;</value>\r\n<compute expr=\'value>"0" &amp;&amp; value&lt;"10" ?"valid":"error"\'>valid</compute>\r\n<norm attr=\' &apos;   &#x20;&#13;&#xa;&#9;   &apos; \'/></doc>';
    expect(canonical(text)).toBe(
      '<doc>\n<text>First line&#xD;\nSecond line</text>\n<value>2</value>\n<compute expr="value>&quot;0&quot; &amp;&amp; value&lt;&quot;10&quot; ?&quot;valid&quot;:&quot;error&quot;">valid</compute>\n<norm attr=" \'    &#xD;&#xA;&#x9;   \' "></norm></doc>',
    );
  });

  test("UTF-8", () => {
    expect(canonical("<doc>&#169;</doc>")).toBe("<doc>©</doc>");
  });

  test("a namespace is written where it first holds, and again where it changes", () => {
    const text = '<a xmlns="urn:1" xmlns:p="urn:2"><b xmlns="urn:1"><p:c xmlns:p="urn:3"/></b><p:d/></a>';
    expect(canonical(text)).toBe(
      '<a xmlns="urn:1" xmlns:p="urn:2"><b><p:c xmlns:p="urn:3"></p:c></b><p:d></p:d></a>',
    );
  });
});

test("an element within others is written with their namespaces", () => {
  const root = parseXml('<a xmlns="urn:1" xmlns:p="urn:2"><p:b/></a>');
  const [inner] = root.children;
  expect(typeof inner === "string" ? "" : canonicalXml(inner!)).toBe(
    '<p:b xmlns="urn:1" xmlns:p="urn:2"></p:b>',
  );
});

test.each([
  ["a document type", "<!DOCTYPE a []><a/>"],
  ["a comment", "<a><!-- --></a>"],
  ["an instruction", "<a><?b?></a>"],
  ["CDATA", "<a><![CDATA[x]]></a>"],
  ["an unknown entity", "<a>&b;</a>"],
  ["a bare ampersand", "<a>& </a>"],
  ["a character that XML does not have", "<a>&#0;</a>"],
  ["half a pair", "<a>&#xD800;</a>"],
  ["a character beyond all", "<a>&#x110000;</a>"],
  ["a control character", "<a>\u0001</a>"],
  ["xml:id", '<a xml:id="b"/>'],
  ["xml:base", '<a xml:base="http://b.test"/>'],
  ["xml:space", '<a xml:space="preserve"/>'],
  ["another name for the prefix xml", '<a xmlns:b="http://www.w3.org/XML/1998/namespace" b:id="c"/>'],
  ["a prefix that is not declared", "<b:a/>"],
  ["an attribute's prefix that is not declared", '<a b:c="d"/>'],
  ["a relative namespace", '<a xmlns="b"/>'],
  ["an empty namespace", '<a xmlns="urn:1"><b xmlns=""/></a>'],
  ["a namespace twice", '<a xmlns:b="urn:1" xmlns:b="urn:2"/>'],
  ["an attribute twice", '<a b="1" b="2"/>'],
  ["an attribute twice by namespace", '<a xmlns:b="urn:1" xmlns:c="urn:1" b:d="1" c:d="2"/>'],
  ["no quotes", "<a b=c/>"],
  ["< in an attribute", '<a b="<"/>'],
  ["attributes without space", '<a b="1"c="2"/>'],
  ["]]> in text", "<a>]]></a>"],
  ["an end of another element", "<a><b></a></b>"],
  ["no end", "<a>"],
  ["text behind", "<a/>b"],
  ["two roots", "<a/><b/>"],
  ["nothing", ""],
  ["too deep", "<a>".repeat(17) + "</a>".repeat(17)],
  ["too many elements", `<a>${"<b/>".repeat(16_384)}</a>`],
  ["too long", `<a>${" ".repeat(1 << 20)}</a>`],
])("%s is refused", (_, text) => {
  expect(() => parseXml(text)).toThrow(XmlError);
});

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
const characters = fc
  .string({ unit: "binary", maxLength: 12 })
  .map((text) => text.replaceAll(/[^\t\n\r -\ud7ff]/g, "x"));

function escaped(text: string): string {
  return text.replaceAll(/[&<>"\r\n\t]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const start = fc
  .tuple(
    name,
    fc.uniqueArray(fc.tuple(name, characters), { selector: ([key]) => key, maxLength: 3 }),
    characters,
  )
  .map(([tag, attributes, text]) => {
    const list = attributes.map(([key, value]) => ` ${key}="${escaped(value)}"`).join("");
    return { tag, head: `<${tag}${list}>${escaped(text)}` };
  });

/** A few elements, one in the other. */
const element = fc.array(start, { minLength: 1, maxLength: 6 }).map((starts) => {
  const ends = starts.toReversed().map(({ tag }) => `</${tag}>`);
  return starts.map(({ head }) => head).join("") + ends.join("");
});

test("canonical text is its own canonical form", () => {
  fc.assert(
    fc.property(element, (text) => {
      let once: string;
      try {
        once = canonical(text);
      } catch (error) {
        if (error instanceof XmlError) return;
        throw error;
      }
      expect(canonical(once)).toBe(once);
    }),
    { numRuns: 300 },
  );
});

test("any text is parsed or refused, soon", () => {
  const piece = fc.constantFrom(
    "<",
    ">",
    "/",
    "a",
    "=",
    '"',
    "&",
    ";",
    "#",
    "x",
    ":",
    " ",
    "xmlns",
    "\n",
    "!",
    "?",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      try {
        parseXml(`<a>${pieces.join("")}</a>`);
      } catch (error) {
        if (!(error instanceof XmlError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});
