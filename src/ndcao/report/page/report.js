// The report page: from runs (RunJson) to tables and charts. All text goes through textContent.
'use strict';

(() => {
  const byId = (id) => document.getElementById(id);
  const live = document.body.dataset.live === 'yes';
  const {count, short} = Charts;
  const percent = (v) => v == null ? '–' : (100 * v).toFixed(2);
  let runs = JSON.parse(byId('data').textContent);
  let chosen = 0;  // the run whose blocks and workers are shown

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // ---- groups of runs that differ in their seed alone

  function groupRuns() {
    const groups = new Map();
    for (const run of runs) {
      if (!groups.has(run.series)) groups.set(run.series, []);
      groups.get(run.series).push(run);
    }
    const list = [...groups.values()].map((members) => ({runs: members}));
    const facets = Object.keys(list[0] ? list[0].runs[0].facets : {});
    const differing = facets.filter(
      (key) => new Set(list.map((g) => String(g.runs[0].facets[key]))).size > 1);
    list.forEach((group, i) => {
      const first = group.runs[0];
      const words = differing.map((key) => word(key, first.facets[key])).filter(Boolean);
      group.label = words.length ? words.join(' ') : first.facets.model;
      group.colour = Charts.colour(i);
    });
    // Labels that are still equal (runs that differ in something rare) get their directories.
    list.forEach((group) => {
      if (list.filter((other) => other.label === group.label).length > 1) {
        group.shared = true;
      }
    });
    list.filter((group) => group.shared).forEach((group) => { group.label = lastPart(group.runs[0].name); });
    list.forEach((group) => {
      if (group.runs.length > 1) group.label += ` (${group.runs.length} seeds)`;
    });
    return list;
  }

  const lastPart = (path) => path.replace(/\/+$/, '').split('/').pop() || path;
  function word(key, value) {
    if (value == null) return '';
    if (key === 'budget') return count(value);
    if (['batch', 'rate', 'eps', 'sigma', 'sigma_end', 'periods'].includes(key)) return `${key} ${value}`;
    return String(value);
  }

  // ---- curves

  /// Seconds at a number of forwards: even between marks, from (0, 0).
  function secondsAt(run, forwards) {
    let from = {forwards: 0, seconds: 0};
    for (const mark of run.marks) {
      if (forwards <= mark.forwards) {
        const span = mark.forwards - from.forwards;
        return span > 0 ? from.seconds + (mark.seconds - from.seconds) * (forwards - from.forwards) / span
                        : mark.seconds;
      }
      from = mark;
    }
    return null;
  }

  function smooth(values) {
    const memory = values.length > 60 ? 0.9 : values.length > 20 ? 0.7 : 0;
    let sum = 0, weight = 0;
    return values.map((v) => {
      if (v == null) return null;
      sum = memory * sum + (1 - memory) * v;
      weight = memory * weight + (1 - memory);
      return sum / weight;
    });
  }

  function trainLoss(run, axis) {
    const y = smooth(run.curve.loss);
    const x = axis === 'seconds' ? run.curve.forwards.map((f) => secondsAt(run, f)) : run.curve.forwards;
    return clean(x, y);
  }
  function atMarks(run, axis, key) {
    return clean(run.marks.map((m) => m[axis]), run.marks.map((m) => m[key]));
  }
  /// Increasing x without gaps.
  function clean(x, y) {
    const out = {x: [], y: []};
    x.forEach((at, i) => {
      if (at == null || y[i] == null || (out.x.length && at <= out.x[out.x.length - 1])) return;
      out.x.push(at);
      out.y.push(y[i]);
    });
    return out;
  }

  function interpolate(curve, at) {
    const {x, y} = curve;
    let i = x.findIndex((v) => v >= at);
    if (i < 0) return null;
    if (i === 0) return x[0] === at ? y[0] : null;
    return y[i - 1] + (y[i] - y[i - 1]) * (at - x[i - 1]) / (x[i] - x[i - 1]);
  }

  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  function deviation(values) {
    if (values.length < 2) return 0;
    const m = mean(values);
    return Math.sqrt(values.reduce((a, v) => a + (v - m) ** 2, 0) / (values.length - 1));
  }

  /// One curve for a group: the run's own, or the mean over seeds with a band of one deviation.
  function groupCurve(group, curveOf, extra) {
    const curves = group.runs.map(curveOf).filter((c) => c.x.length > 0);
    const base = {label: group.label, colour: group.colour, x: [], y: [], ...extra};
    if (curves.length === 0) return base;
    if (curves.length === 1) return {...base, ...curves[0]};
    const from = Math.max(...curves.map((c) => c.x[0]));
    const to = Math.min(...curves.map((c) => c.x[c.x.length - 1]));
    const points = Math.min(160, Math.max(...curves.map((c) => c.x.length)));
    const x = points < 2 || to <= from ? [to]
      : Array.from({length: points}, (_, i) => from + (to - from) * i / (points - 1));
    const columns = x.map((at) => curves.map((c) => interpolate(c, at)).filter((v) => v != null));
    const y = columns.map((v) => v.length ? mean(v) : null);
    const sd = columns.map(deviation);
    const side = (sign) => y.map((v, i) => v == null ? null : v + sign * sd[i]);
    return {...base, x, y, low: side(-1), high: side(1)};
  }

  function drawCurves(groups) {
    const axes = {forwards: {xLabel: 'forwards', xFormat: count}, seconds: {xLabel: 'seconds', xFormat: short}};
    for (const [axis, options] of Object.entries(axes)) {
      const waits = 'Nothing has been measured on the test part yet.';
      Charts.lines(`accuracy-${axis}`,
                   groups.map((g) => groupCurve(g, (r) => atMarks(r, axis, 'test_accuracy'), {points: true})),
                   {...options, yFormat: (v) => +(100 * v).toFixed(1) + ' %', empty: waits});
      const loss = groups.flatMap((g) => [
        groupCurve(g, (r) => trainLoss(r, axis)),
        groupCurve(g, (r) => atMarks(r, axis, 'test_loss'), {dash: [6, 5], label: g.label + ', test'})]);
      Charts.lines(`loss-${axis}`, loss, {...options, yFormat: short, empty: waits});
    }
  }

  function drawSteps(groups) {
    const curves = [];
    for (const group of groups) {
      const run = group.runs.find((r) => r.fold);
      if (!run) continue;
      run.fold.cohorts.forEach((cohort, i) => {
        const eta = cohort.statistics.eta;
        if (!eta) return;
        const several = run.fold.cohorts.length > 1 ? `, ${cohort.blocks} of the blocks (${i + 1})` : '';
        curves.push({label: group.label + several, colour: group.colour, dash: i ? [3 + i, 3] : undefined,
                     ...clean(run.fold.forwards, eta.map((v) => v > 0 ? v : null))});
      });
    }
    Charts.lines('steps', curves, {xLabel: 'forwards', xFormat: count, yFormat: (v) => v.toExponential(1),
                                   log: true, empty: 'These optimizers have no step size of their own to show.'});
    const notes = [...new Set(runs.map((r) => r.fold_note).filter(Boolean))];
    byId('steps-note').textContent = ['η of the blocks, which those of equal options share; of the first seed.',
                                      ...notes].join(' ');
  }

  function drawStaleness(groups) {
    Charts.bars('staleness', groups.map((g) => {
      const values = new Map();
      const total = g.runs.reduce((a, r) => a + r.totals.groups, 0);
      for (const run of g.runs) {
        for (const [late, groupCount] of run.staleness) {
          values.set(late, (values.get(late) || 0) + groupCount / total);
        }
      }
      return {label: g.label, colour: g.colour, values};
    }).filter((g) => g.values.size > 0), {xLabel: 'groups late', yFormat: (v) => +(100 * v).toFixed(1) + ' %'});
  }

  // ---- one run

  function drawBlocks(run) {
    if (!run.fold) {
      Charts.empty('activity', run.fold_note || 'Nothing has been folded yet.');
      byId('activity-note').textContent = '';
      return;
    }
    Charts.activity('activity', run.fold);
    const all = run.fold.blocks_in_run, shown = run.fold.blocks.length;
    byId('activity-note').textContent =
      (shown < all ? `${shown} of ${count(all)} blocks. ` : '') +
      'How far each block moved in each stretch of the run (root mean square), on a logarithmic scale; grey: not at all. ' +
      run.fold_note;
  }

  function drawWorkers(run) {
    const times = [0, ...run.marks.map((m) => m.seconds)];
    const curves = run.workers.map((worker, i) => {
      const done = [0, ...worker.at_marks];
      const x = [], y = [];
      for (let k = 1; k < times.length; ++k) {
        if (times[k] - times[k - 1] < 1e-3) continue;
        x.push((times[k] + times[k - 1]) / 2);
        y.push((done[k] - done[k - 1]) / (times[k] - times[k - 1]));
      }
      return {label: `worker ${i}`, colour: Charts.colour(i), points: true, ...clean(x, y)};
    });
    Charts.lines('workers', curves, {xLabel: 'seconds', xFormat: short, yFormat: (v) => count(v) + '/s', height: 200,
                                     range: (u, lo, hi) => [0, (hi || 1) * 1.08],
                                     empty: 'Speed is known once something has been measured on the test part.'});
    const total = run.workers.reduce((a, w) => a + w.forwards, 0);
    fillTable(byId('worker-table'), ['worker', 'groups', 'image-forwards', 'share'],
              run.workers.map((w, i) => [`${i}  ${w.name}`, count(w.groups), count(w.forwards),
                                         total ? (100 * w.forwards / total).toFixed(1) + ' %' : '–']));
    if (run.workers_joined > run.workers.length) {
      byId('worker-table').append(element('caption', `the first ${run.workers.length} of ${run.workers_joined} that joined`));
    }
  }

  // ---- tables

  function fillTable(table, head, rows) {
    const heading = element('tr');
    head.forEach((text) => heading.append(element('th', text)));
    table.replaceChildren(heading, ...rows.map((row) => {
      const line = element('tr');
      row.forEach((cell) => line.append(cell instanceof Node ? cell : element('td', cell)));
      return line;
    }));
  }

  const COLUMNS = [  // heading, of a run, format, which is best
    ['test accuracy %', (r) => r.totals.test_accuracy, percent, 'max'],
    ['test loss', (r) => r.totals.test_loss, (v) => v.toFixed(4), 'min'],
    ['train loss', (r) => r.totals.train_loss, (v) => v.toFixed(4), 'min'],
    ['image-forwards', (r) => r.totals.image_forwards, count, null],
    ['of budget', (r) => r.totals.image_forwards / r.totals.budget, (v) => Math.min(100, 100 * v).toFixed(0) + ' %', null],
    ['seconds', (r) => r.totals.seconds, short, 'min'],
    ['images/s', (r) => r.totals.images_per_second, count, 'max'],
    ['parameters', (r) => r.totals.parameters, count, null],
    ['blocks', (r) => r.totals.blocks, count, null],
    ['groups', (r) => r.totals.groups, count, null],
    ['journal bytes', (r) => r.totals.journal_bytes, count, 'min'],
  ];

  function drawComparison(groups) {
    const values = COLUMNS.map(([, of]) => groups.map((g) => g.runs.map(of).filter((v) => v != null)));
    const rows = groups.map((group, row) => {
      const name = element('td');
      const key = element('span', undefined, 'key');
      key.style.background = group.colour;
      name.append(key, group.label);
      const cells = COLUMNS.map(([, , format, best], column) => {
        const mine = values[column][row];
        if (mine.length === 0) return element('td', '–');
        const text = format(mean(mine)) + (mine.length > 1 && best ? ` ± ${format(deviation(mine))}` : '');
        const means = values[column].filter((v) => v.length).map(mean);
        const wins = best && means.length > 1 && mean(mine) === (best === 'max' ? Math.max : Math.min)(...means);
        return element('td', text, wins ? 'best' : undefined);
      });
      return [name, ...cells];
    });
    fillTable(byId('comparison'), ['', ...COLUMNS.map(([heading]) => heading)], rows);
  }

  function drawCommands() {
    const shape = runs.map((r) => r.name + r.command).join('\n');
    if (byId('commands').dataset.shape === shape) return;  // keeps what a reader has opened
    byId('commands').dataset.shape = shape;
    byId('commands').replaceChildren(...runs.map((run) => {
      const box = element('div', undefined, 'command');
      const line = element('div');
      const copy = element('button', 'Copy');
      copy.type = 'button';
      const command = element('pre', run.command);
      copy.onclick = () => copyText(run.command, command, copy);
      line.append(element('strong', run.name), copy);
      const details = element('details');
      details.append(element('summary', 'the whole spec'), element('pre', run.spec));
      if (run.decisions.length) {
        details.append(element('pre', run.decisions.map((d) => `record ${d.offset}: ${d.text}`).join('\n')));
      }
      box.append(line, command, details);
      return box;
    }));
  }

  // The clipboard is not there for a page from a file in every browser: then the text is selected.
  function copyText(text, holder, button) {
    const done = (word) => { button.textContent = word; setTimeout(() => { button.textContent = 'Copy'; }, 1500); };
    const select = () => { getSelection().selectAllChildren(holder); done('Selected'); };
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText(text).then(() => done('Copied'), select);
  }

  function fillChoices() {
    for (const select of document.querySelectorAll('.run-choice')) {
      if (select.length !== runs.length) {
        select.replaceChildren(...runs.map((run, i) => {
          const option = element('option', runs.length > 1 ? `${lastPart(run.name)}, seed ${run.seed}` : run.name);
          option.value = i;
          return option;
        }));
        select.onchange = () => { chosen = +select.value; draw(); };
      }
      select.hidden = runs.length < 2;
      select.value = chosen;
    }
  }

  // ---- all of it

  function draw() {
    if (!Array.isArray(runs) || runs.length === 0) {
      byId('subtitle').textContent = 'Waiting for the first record.';
      return;
    }
    chosen = Math.min(chosen, runs.length - 1);
    const groups = groupRuns();
    const forwards = runs.reduce((a, r) => a + r.totals.image_forwards, 0);
    byId('subtitle').textContent =
      `${runs.length} ${runs.length === 1 ? 'run' : 'runs'}, ${count(forwards)} image-forwards, no gradient`;
    fillChoices();
    drawComparison(groups);
    drawCurves(groups);
    drawSteps(groups);
    drawStaleness(groups);
    drawBlocks(runs[chosen]);
    drawWorkers(runs[chosen]);
    drawCommands();
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    draw();
  }

  async function poll() {
    const state = byId('live');
    try {
      const response = await fetch('data.json');
      runs = await response.json();
      state.textContent = '● live';
      state.classList.remove('lost');
      draw();
    } catch (error) {
      state.textContent = '○ the server is gone; this is the last that it said';
      state.classList.add('lost');
    }
    setTimeout(poll, 1000);
  }

  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  prefersDark.onchange = () => setTheme(prefersDark.matches ? 'dark' : 'light');
  byId('theme').onclick = () => setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
  let resizing = 0;
  addEventListener('resize', () => { cancelAnimationFrame(resizing); resizing = requestAnimationFrame(Charts.resize); });
  setTheme(prefersDark.matches ? 'dark' : 'light');
  if (live) {
    byId('live').hidden = false;
    poll();
  }
})();
