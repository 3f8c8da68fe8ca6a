// Charts for the report: curves and bars by uPlot, and a map of the blocks' moves.
// A curve is {label, colour, x: [...], y: [...], low, high, dash, points}; all lists are numbers or null.
'use strict';

const Charts = (() => {
  const LIGHT = ['#1f6feb', '#d1570b', '#17803d', '#8a3ffc', '#c2185b', '#00798c', '#9a6700', '#57606a'];
  const DARK = ['#6cb0ff', '#ff9e5e', '#5fd48a', '#c4a1ff', '#ff8fc0', '#4fd1e0', '#e3c05a', '#b4bfcc'];
  const kept = new Map();  // by element id: the plot on show and its shape

  const dark = () => document.documentElement.dataset.theme === 'dark';
  const colour = (i) => { const all = dark() ? DARK : LIGHT; return all[i % all.length]; };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function count(v) {
    if (v == null) return '–';
    const a = Math.abs(v);
    const unit = a >= 1e9 ? ['G', 1e9] : a >= 1e6 ? ['M', 1e6] : a >= 1e4 ? ['k', 1e3] : ['', 1];
    return String(+(v / unit[1]).toPrecision(4)) + unit[0];
  }
  const short = (v) => v == null ? '–' : String(+v.toPrecision(4));

  function empty(id, text) {
    drop(id);
    const note = document.createElement('p');
    note.className = 'empty';
    note.textContent = text;
    document.getElementById(id).replaceChildren(note);
  }

  function drop(id) {
    const old = kept.get(id);
    if (old) old.plot.destroy();
    kept.delete(id);
  }

  function axis(format, size) {
    const line = style('--line');
    return {stroke: style('--faint'), font: '12px system-ui, sans-serif', size,
            grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1, size: 5},
            values: (u, splits) => splits.map((v) => v == null ? '' : format(v))};
  }

  function fade(hex) { return hex + '2e'; }

  /// uPlot's series, bands and data of the curves.
  function assemble(curves, options) {
    const series = [{label: options.xLabel, value: (u, v) => v == null ? '–' : options.xFormat(v)}];
    const bands = [];
    const tables = [];
    for (const c of curves) {
      const points = {show: c.points || c.x.length < 3, size: 5, fill: c.colour};
      const format = (u, v) => v == null ? '–' : options.yFormat(v);
      tables.push([c.x, c.y]);
      series.push({label: c.label, stroke: c.colour, width: 2, dash: c.dash, points, spanGaps: true,
                   value: format});
      if (!c.low) continue;
      const at = series.length;
      for (const side of [c.high, c.low]) {
        tables.push([c.x, side]);
        series.push({label: '', stroke: 'transparent', width: 0, points: {show: false}, spanGaps: true,
                     class: 'band'});
      }
      bands.push({series: [at, at + 1], fill: fade(c.colour)});
    }
    return {series, bands, data: uPlot.join(tables)};
  }

  /// Curves over a common axis. options: {xLabel, xFormat, yFormat, log, zero}.
  function lines(id, curves, options) {
    curves = curves.filter((c) => c.y.some((v) => v != null));
    if (curves.length === 0) return empty(id, options.empty || 'Nothing to show yet.');
    const {series, bands, data} = assemble(curves, options);
    const shape = JSON.stringify([dark(), curves.map((c) => [c.label, c.colour, !c.low])]);
    const old = kept.get(id);
    if (old && old.shape === shape) return old.plot.setData(data);
    drop(id);
    const holder = document.getElementById(id);
    holder.replaceChildren();
    const opts = {
      width: width(holder), height: options.height || 260, series, bands,
      scales: {x: {time: false}, y: {distr: options.log ? 3 : 1, range: options.range}},
      axes: [axis(options.xFormat, 34), axis(options.yFormat, 58)],
      cursor: {points: {size: 7}}, legend: {live: true},
    };
    const plot = new uPlot(opts, data, holder);
    kept.set(id, {plot, shape});
  }

  /// Bars side by side. groups: [{label, colour, values: Map(x → y)}].
  function bars(id, groups, options) {
    const xs = [...new Set(groups.flatMap((g) => [...g.values.keys()]))].sort((a, b) => a - b);
    if (xs.length === 0) return empty(id, 'No group has been journaled yet.');
    const curves = groups.map((g, i) => ({
      label: g.label, stroke: g.colour, fill: fade(g.colour), width: 1.5, points: {show: false},
      paths: null,
      value: (u, v) => v == null ? '–' : options.yFormat(v)}));
    drop(id);
    const holder = document.getElementById(id);
    holder.replaceChildren();
    const last = xs[xs.length - 1];
    const all = Array.from({length: Math.min(last, 64) + 1}, (_, i) => i);
    const data = [all, ...groups.map((g) => all.map((x) => g.values.get(x) || 0))];
    const step = 1 / (groups.length + 1);
    curves.forEach((c, i) => { c.paths = barsAt((i + 1) * step - 0.5, step * 0.8); });
    const plot = new uPlot({
      width: width(holder), height: 260,
      series: [{label: options.xLabel, value: (u, v) => v == null ? '–' : String(v)}, ...curves],
      scales: {x: {time: false, range: [-0.6, all.length - 0.4]}, y: {range: (u, lo, hi) => [0, hi * 1.06 || 1]}},
      axes: [{...axis(String, 34), incrs: [1, 2, 5, 10, 20]}, axis(options.yFormat, 58)],
    }, data, holder);
    kept.set(id, {plot, shape: ''});
  }

  /// A path builder of bars that stand `shift` beside their x, `span` wide, in units of x.
  function barsAt(shift, span) {
    return (u, s) => {
      const path = new Path2D();
      const base = u.valToPos(0, 'y', true);
      u.data[0].forEach((x, i) => {
        const y = u.data[s][i];
        if (!y) return;
        const left = u.valToPos(x + shift - span / 2, 'x', true);
        const right = u.valToPos(x + shift + span / 2, 'x', true);
        const top = u.valToPos(y, 'y', true);
        path.rect(left, top, right - left, base - top);
      });
      return {stroke: path, fill: path};
    };
  }

  const width = (holder) => Math.max(240, holder.clientWidth);

  /// How far each block moved in each stretch: a row for a block, dark to bright on a log scale.
  function activity(id, fold) {
    const holder = document.getElementById(id);
    const rows = fold.blocks.length, columns = fold.moved.length;
    const values = fold.moved.flat().filter((v) => v > 0);
    if (values.length === 0) return empty(id, 'No block has moved yet.');
    const high = Math.log(Math.max(...values)), low = Math.max(Math.log(Math.min(...values)), high - 6);
    const height = Math.max(8, Math.min(34, Math.floor(420 / rows)));
    const canvas = document.createElement('canvas');
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.height = rows * height + 'px';
    canvas.style.imageRendering = 'pixelated';
    canvas.id = 'activity-canvas';
    const context = canvas.getContext('2d');
    for (let column = 0; column < columns; ++column) {
      for (let row = 0; row < rows; ++row) {
        const moved = fold.moved[column][row];
        const share = moved > 0 ? Math.max(0, Math.min(1, (Math.log(moved) - low) / (high - low || 1))) : null;
        context.fillStyle = heat(share);
        context.fillRect(column, row, 1, 1);
      }
    }
    canvas.onmousemove = (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.min(columns - 1, Math.floor((event.clientX - box.left) / box.width * columns));
      const row = Math.min(rows - 1, Math.floor((event.clientY - box.top) / box.height * rows));
      canvas.title = `${fold.blocks[row]}: ${short(fold.moved[column][row])} at ${count(fold.forwards[column])}`;
    };
    const names = document.createElement('div');
    names.className = 'activity-names';
    const every = Math.ceil(14 / height);
    fold.blocks.forEach((name, i) => {
      const line = document.createElement('div');
      line.style.height = line.style.lineHeight = height + 'px';
      line.textContent = i % every === 0 ? name : '';
      line.style.overflow = every > 1 ? 'visible' : 'hidden';
      names.append(line);
    });
    const ends = document.createElement('div');
    ends.className = 'activity-axis';
    for (const at of [fold.forwards[0], fold.forwards[columns - 1]]) {
      const end = document.createElement('span');
      end.textContent = count(at) + ' forwards';
      ends.append(end);
    }
    const grid = document.createElement('div');
    grid.className = 'activity';
    grid.append(names, canvas, ends);
    holder.replaceChildren(grid);
  }

  /// No move: the card's own colour; then blue to yellow.
  function heat(share) {
    if (share == null) return style('--line');
    const from = dark() ? [32, 62, 110] : [222, 235, 250], to = dark() ? [255, 214, 102] : [8, 64, 145];
    return `rgb(${from.map((f, i) => Math.round(f + (to[i] - f) * share)).join(',')})`;
  }

  function resize() {
    for (const [id, {plot}] of kept) {
      plot.setSize({width: width(document.getElementById(id)), height: plot.height});
    }
  }

  return {lines, bars, activity, empty, colour, count, short, resize};
})();
