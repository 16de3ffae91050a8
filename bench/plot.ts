// Lines over two logarithmic axes, as SVG; panels share their axes. Leaves out what is measured.

export interface Series {
  name: string;
  /** x, y; both above 0. */
  points: [number, number][];
}

const PANEL = { width: 380, height: 260, left: 62, top: 40, right: 16, bottom: 46 };
const LABEL_HEIGHT = 13;
const LINES = ["#1F4FC4", "#BA2B15", "#5F4DB8", "#954B00", "#0A7256", "#A2338B"];

/** A grid of panels, two beside each other; names stand at the lines' ends, so that colour isn't the only cue. */
export function plot(panels: { title: string; series: Series[] }[], axes: { x: string; y: string; note: string }): string {
  const all = panels.flatMap(({ series }) => series.flatMap(({ points }) => points));
  const decades = (values: number[]): [number, number] => {
    const least = Math.floor(Math.log10(Math.min(...values)));
    return [least, Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))))];
  };
  const [x0, x1] = decades(all.map(([x]) => x));
  const [y0, y1] = decades(all.map(([, y]) => y));
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name.split(",")[0] as string)))];
  const width = 2 * PANEL.width;
  const rows = Math.ceil(panels.length / 2);
  const height = rows * PANEL.height + 34;
  const parts: string[] = [];
  for (const [at, { title, series }] of panels.entries()) {
    const [left, top] = [(at % 2) * PANEL.width + PANEL.left, Math.floor(at / 2) * PANEL.height + PANEL.top];
    const [wide, tall] = [PANEL.width - PANEL.left - PANEL.right, PANEL.height - PANEL.top - PANEL.bottom];
    const px = (x: number): number => Math.round((left + ((Math.log10(x) - x0) / (x1 - x0)) * wide) * 10) / 10;
    const py = (y: number): number => Math.round((top + tall - ((Math.log10(y) - y0) / (y1 - y0)) * tall) * 10) / 10;
    parts.push(`<text x="${left}" y="${top - 12}" class="title">${escaped(title)}</text>`);
    for (let power = x0; power <= x1; power++) {
      const x = px(10 ** power);
      parts.push(`<path class="grid" d="M${x} ${top}V${top + tall}"/><text x="${x}" y="${top + tall + 16}" text-anchor="middle">${spell(10 ** power)}</text>`);
    }
    for (let power = y0; power <= y1; power++) {
      const y = py(10 ** power);
      parts.push(`<path class="grid" d="M${left} ${y}H${left + wide}"/><text x="${left - 6}" y="${y + 4}" text-anchor="end">${spell(10 ** power)}</text>`);
    }
    parts.push(`<text x="${left + wide / 2}" y="${top + tall + 34}" text-anchor="middle">${escaped(axes.x)}</text>`);
    const labels: { x: number; y: number; name: string; colour: string }[] = [];
    for (const { name, points } of series) {
      if (points.length === 0) continue;
      const colour = LINES[names.indexOf(name.split(",")[0] as string) % LINES.length];
      const [endX, endY] = points.at(-1) as [number, number];
      parts.push(`<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ")}"/>`);
      for (const [x, y] of points)
        parts.push(`<circle cx="${px(x)}" cy="${py(y)}" r="3" fill="${colour}"><title>${escaped(`${name}: ${spell(x)}, ${y.toPrecision(3)}`)}</title></circle>`);
      labels.push({ x: px(endX), y: py(endY) - 7, name, colour: colour as string });
    }
    // those that end at the same place stand below each other
    labels.sort((a, b) => a.y - b.y);
    for (const [index, label] of labels.entries()) {
      const above = labels[index - 1];
      if (above && label.y < above.y + LABEL_HEIGHT) label.y = above.y + LABEL_HEIGHT;
      const isLate = label.x > left + wide * 0.6;
      parts.push(`<text x="${label.x + (isLate ? -4 : 6)}" y="${label.y}" text-anchor="${isLate ? "end" : "start"}" style="fill:${label.colour}">${escaped(label.name)}</text>`);
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(`${axes.y} against ${axes.x}`)}</title>
<style>text{font:11px system-ui,sans-serif;fill:#455157}.title{font-size:13px;font-weight:600;fill:#182024}.grid{stroke:#DEE3DF;stroke-width:1}</style>
<rect width="100%" height="100%" fill="#FDFEFC"/>
${parts.join("\n")}
<text x="8" y="14">${escaped(axes.y)}</text><text x="${width - 8}" y="${height - 10}" text-anchor="end">${escaped(axes.note)}</text>
</svg>
`;
}

const spell = (value: number): string => (value >= 1 ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ") : String(value));
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
