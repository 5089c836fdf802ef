// The first page: what the log says, as it says it. One cursor: history first, then the live stream from where it ended.
'use strict';

const $ = (id) => document.getElementById(id);
const runs = new Map(); // run id -> {name, status, step, series: Map(metric -> [values])}
const MAX_ROWS = 40, MAX_POINTS = 200;
let position = 0;

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text;
  td.title = text;
  if (className) td.className = className;
  return td;
}

const hasPayload = (e) => e.payload !== null && typeof e.payload === 'object'; // retention may have dropped it
const plainName = (e) => e.type.replace(/^[a-z_]+\./, '').replaceAll('_', ' ');

// One sentence about an event; the rest is in its payload.
function describe(e) {
  if (!hasPayload(e)) return `${plainName(e)} (its payload is no longer kept)`;
  const p = e.payload;
  switch (e.type) {
    case 'run.metrics_logged': return `${p.keys[0]} = ${short(p.values[0])}` + (p.keys.length > 1 ? ` and ${p.keys.length - 1} more` : '');
    case 'prediction.logged': return `${p.request_ids.length} predictions`;
    case 'model.version_created': return `version ${p.version} created`;
    case 'model.stage_changed': return `version ${p.version}: ${p.from} → ${p.to}`;
    case 'model.alias_set': return `${p.alias} → version ${p.version}`;
    case 'model.gate_evaluated': return `gate of version ${p.version} ${p.passed ? 'passed' : 'failed'}`;
    case 'model.promotion_decided': return `version ${p.version} ${p.approved ? 'promoted' : 'not promoted'}: ${short(p.challenger_value)} against ${short(p.champion_value)}`;
    case 'pipeline_run.step_started': return `step ${p.step} started`;
    case 'pipeline_run.step_completed': return `step ${p.step} ${p.cached ? 'from the cache' : 'done'}`;
    case 'pipeline_run.step_failed': return `step ${p.step} failed: ${p.error}`;
    case 'drift.reported': return `drift report: ${p.severity}`;
    case 'drift.alert_raised': return `drift alert: ${p.features.join(', ')}`;
    case 'drift.retraining_triggered': return `retraining by pipeline ${p.pipeline}`;
    case 'dataset.committed': return `version ${p.version} committed`;
    case 'dataset.validated': return `version ${p.version} ${p.passed ? 'passed' : 'failed'} its checks`;
    default: return plainName(e);
  }
}

const short = (v) => typeof v === 'number' ? +v.toPrecision(5) : v;

function toneOf(e) {
  if (!hasPayload(e)) return '';
  if (e.type === 'drift.alert_raised' || e.type.endsWith('failed')) return 'alert';
  if (e.type === 'model.promotion_decided') return e.payload.approved ? 'promoted' : 'investigate';
  if (e.type === 'drift.reported') return e.payload.severity;
  return '';
}

function showEvent(e, fresh) {
  const body = $('events').tBodies[0];
  const row = body.insertRow(0);
  if (fresh) row.className = 'new';
  cell(row, e.position, 'number');
  cell(row, new Date(e.time).toLocaleTimeString([], { hour12: false }));
  cell(row, describe(e), toneOf(e));
  cell(row, e.stream);
  cell(row, e.actor);
  while (body.rows.length > MAX_ROWS) body.deleteRow(-1);
  $('no-events').hidden = true;
}

function follow(e) {
  position = e.position;
  if (!hasPayload(e)) return;
  const id = e.stream.startsWith('run/') ? e.stream.slice(4) : null;
  if (id) {
    const run = runs.get(id) ?? { name: id.slice(0, 8), status: 'running', step: '', series: new Map() };
    if (e.type === 'run.started') run.name = e.payload.name || id.slice(0, 8);
    if (e.type === 'run.ended') run.status = e.payload.status;
    if (e.type === 'run.metrics_logged') e.payload.keys.forEach((key, i) => {
      const points = run.series.get(key) ?? [];
      points.push(e.payload.values[i]);
      if (points.length > MAX_POINTS) points.shift();
      run.series.set(key, points);
      run.step = Math.max(run.step || 0, e.payload.steps[i]);
    });
    runs.delete(id);
    runs.set(id, run);
  }
  if (e.type === 'model.alias_set' && e.payload.alias === 'champion') $('champion').textContent = `${e.stream.slice(6)} v${e.payload.version}`;
  if (e.type === 'drift.reported') { $('drift').textContent = e.payload.severity; $('drift').className = e.payload.severity; }
}

function curve(values) {
  const numbers = values.filter((v) => typeof v === 'number');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('width', 96); svg.setAttribute('height', 22);
  if (numbers.length > 1) {
    const low = Math.min(...numbers), span = Math.max(...numbers) - low || 1;
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', numbers.map((v, i) => `${i ? 'L' : 'M'}${(i / (numbers.length - 1) * 94 + 1).toFixed(1)} ${(20 - (v - low) / span * 18).toFixed(1)}`).join(''));
    svg.append(path);
  }
  return svg;
}

// The metric worth a curve: the one with the most points, validation before training.
function mainMetric(run) {
  return [...run.series].sort((a, b) => b[1].length - a[1].length || b[0].localeCompare(a[0]))[0];
}

function drawRuns() {
  const body = $('runs').tBodies[0];
  body.replaceChildren();
  for (const [, run] of [...runs].reverse().slice(0, 12)) {
    const row = body.insertRow();
    const metric = mainMetric(run);
    cell(row, run.name);
    cell(row, run.status, run.status);
    cell(row, run.step, 'number');
    cell(row, metric ? `${metric[0]} ${short(metric[1].at(-1))}` : '');
    row.insertCell().append(curve(metric ? metric[1] : []));
  }
  $('no-runs').hidden = runs.size > 0;
  $('run-count').textContent = runs.size;
  $('position').textContent = position.toLocaleString();
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawRuns(); });
}

async function history() {
  const info = await (await fetch('/api/v1/info')).json();
  let from = Math.max(1, info.position - 5000);
  if (from > 1) $('filter-note').textContent = 'the last 5,000';
  for (;;) {
    const page = await (await fetch(`/api/v1/events?from=${from}&limit=1000`)).json();
    page.items.forEach((e) => { follow(e); showEvent(e, false); });
    draw();
    if (page.next_from === from || page.next_from > page.position) return page.next_from;
    from = page.next_from;
  }
}

function live(from) {
  const stream = new EventSource(`/api/v1/live/events?from=${from}`);
  stream.onopen = () => { $('dot').className = 'on'; $('state').textContent = 'live'; };
  stream.onerror = () => { $('dot').className = 'off'; $('state').textContent = 'the server does not answer; trying again'; };
  // Every event has its type as the SSE event name, so the names are taken from the API's description of them.
  const take = (message) => { const e = JSON.parse(message.data); follow(e); showEvent(e, true); draw(); };
  for (const type of TYPES) stream.addEventListener(type, take);
  stream.onmessage = take;
}

let TYPES = [];
(async () => {
  try {
    TYPES = (await (await fetch('/api/v1/event_types')).json()).items.map((t) => t.type);
    live(await history());
  } catch (error) {
    $('state').textContent = 'cannot be read: ' + error.message;
  }
})();
