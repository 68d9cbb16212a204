// The picture that moves: shows what `python -m tools.explorer` has computed, by choice.
// Plain JavaScript without other people's; values.json says what there is to choose.
'use strict';

(() => {
  const DEVIATION = [.229, .224, .225];   // of normalised values, per channel, pixels in [0, 1]
  const ERROR_GAIN = 5;                   // how much brighter the error is shown
  const KINDS = [['attack', 'an attack'], ['noise', 'random noise of the same size']];
  const PANELS = [
    ['truth', 'the original'],
    ['input', 'what the estimator is given'],
    ['change', 'what was added, strengthened'],
    ['output', 'what it makes of it'],
    ['error', `its error, ${ERROR_GAIN}-fold`],
  ];
  const FIRST = {photograph: 'face', operator: 'x2', estimator: 'undefended', radius: 4,
                 kind: 'attack'};

  // ---- elements

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function vector(name, attributes = {}, ...children) {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function options(list) {
    return list.map(({key, title}) => element('option', {value: key}, title));
  }

  // ---- pictures

  class Pictures {
    // Sheets of one photograph and operator, fetched once.
    constructor(folder, side) {
      this.folder = folder;
      this.side = side;
      this.sheets = new Map();
    }

    sheet(name) {
      if (!this.sheets.has(name)) {
        const image = new Image();
        image.src = `${this.folder}/${name}.webp`;
        this.sheets.set(name, image.decode().then(() => image));
      }
      return this.sheets.get(name);
    }

    async tile(name, row, column) {        // -> ImageData
      const image = await this.sheet(name);
      const canvas = element('canvas', {width: this.side, height: this.side});
      const context = canvas.getContext('2d', {willReadFrequently: true});
      context.drawImage(image, -column*this.side, -row*this.side);
      return context.getImageData(0, 0, this.side, this.side);
    }
  }

  function changed(clean, change, factor) {
    // Add a change, whose grey is 128, in pixels.
    const made = new ImageData(clean.width, clean.height);
    for (let i = 0; i < made.data.length; i += 1) {
      const channel = i % 4;
      if (channel === 3) made.data[i] = 255;
      else made.data[i] = clean.data[i] + (change.data[i] - 128)*factor*DEVIATION[channel];
    }
    return made;
  }

  function errorOf(output, truth) {
    // From black over red and yellow to white.
    const made = new ImageData(output.width, output.height);
    for (let i = 0; i < made.data.length; i += 4) {
      let total = 0;
      for (let c = 0; c < 3; c += 1) total += Math.abs(output.data[i + c] - truth.data[i + c]);
      const bright = 3*ERROR_GAIN*total/3;
      for (let c = 0; c < 3; c += 1) made.data[i + c] = bright - 255*c;
      made.data[i + 3] = 255;
    }
    return made;
  }

  function grey(side) {
    const made = new ImageData(side, side);
    made.data.fill(128);
    for (let i = 3; i < made.data.length; i += 4) made.data[i] = 255;
    return made;
  }

  // ---- the chart

  class Chart {
    // PSNR against the radius: attacked, under noise, certain, and the best linear filter.
    constructor(radii) {
      this.radii = radii;
      this.box = {left: 44, right: 18, top: 10, bottom: 34, width: 420, height: 230};
      this.lines = vector('g');
      this.svg = vector('svg', {
        viewBox: `0 0 ${this.box.width} ${this.box.height}`, role: 'img',
        'aria-label': 'PSNR against the radius; the numbers stand in the text above',
      }, this.axes(), this.lines);
    }

    x(i) {
      const {left, right, width} = this.box;
      return left + (width - left - right)*i/(this.radii.length - 1);
    }

    y(psnr) {
      const {top, bottom, height} = this.box;
      const share = (Math.min(Math.max(psnr, 5), 40) - 5)/35;
      return height - bottom - (height - top - bottom)*share;
    }

    axes() {
      const all = vector('g', {class: 'axes'});
      const {left, right, width, height} = this.box;
      for (let psnr = 10; psnr <= 40; psnr += 10) {
        all.append(vector('line', {x1: left, x2: width - right, y1: this.y(psnr),
                                   y2: this.y(psnr)}));
        all.append(vector('text', {x: left - 6, y: this.y(psnr) + 4, 'text-anchor': 'end'},
                          `${psnr} dB`));
      }
      this.radii.forEach((radius, i) => all.append(
        vector('text', {x: this.x(i), y: height - 18, 'text-anchor': 'middle'}, `${radius}`)));
      all.append(vector('text', {x: (left + width)/2, y: height - 3, 'text-anchor': 'middle'},
                        'eps_rel, not to scale'));
      return all;
    }

    line(name, values) {                   // values: [radius number, PSNR]
      const points = values.map(([i, psnr]) => `${this.x(i)},${this.y(psnr)}`).join(' ');
      this.lines.append(vector('polyline', {class: name, points}));
    }

    show(values, linear, now) {
      this.lines.replaceChildren();
      const psnrs = lines => lines.map(([psnr], i) => [i, psnr]);
      this.line('linear', psnrs(linear.attack));
      this.line('noise', psnrs(values.noise));
      this.line('attack', psnrs(values.attack));
      this.line('certain', values.certain.map((psnr, i) => [i + 1, psnr]));
      const [i, psnr] = now;
      this.lines.append(vector('circle', {cx: this.x(i), cy: this.y(psnr), r: 5}));
    }
  }

  // ---- the whole

  class Explorer {
    constructor(root, folder, said) {
      this.said = said;
      this.pictures = new Pictures(folder, said.side);
      this.choice = {...FIRST};
      this.controls = this.makeControls();
      this.canvases = {};
      this.told = element('p', {class: 'told', 'aria-live': 'polite'});
      this.about = element('p', {class: 'about'});
      this.chart = new Chart(said.radii);
      root.replaceChildren(this.controls, this.makePanels(), this.told, this.about,
                           this.makeChart());
      this.show();
    }

    get operator() { return this.said.operators[this.choice.operator]; }

    get numberOfEstimator() {
      return this.operator.estimators.findIndex(one => one.key === this.choice.estimator);
    }

    get values() {
      return this.operator.values[this.choice.photograph];
    }

    select(name, title, list) {
      const made = element('select', {name}, ...options(list));
      made.value = this.choice[name];
      made.addEventListener('change', () => this.choose(name, made.value));
      return element('label', {}, element('span', {}, title), made);
    }

    slider() {
      const last = this.said.radii.length - 1;
      const made = element('input', {type: 'range', name: 'radius', min: 0, max: last, step: 1});
      made.value = this.choice.radius;
      made.addEventListener('input', () => this.choose('radius', Number(made.value)));
      this.slide = made;
      this.radiusSaid = element('output', {});
      return element('label', {}, element('span', {}, 'how much: ', this.radiusSaid), made);
    }

    kinds() {
      const made = KINDS.map(([key, title]) => {
        const radio = element('input', {type: 'radio', name: 'kind', value: key});
        radio.checked = key === this.choice.kind;
        radio.addEventListener('change', () => this.choose('kind', key));
        return element('label', {}, radio, ` ${title}`);
      });
      return element('fieldset', {}, element('legend', {}, 'what is added'), ...made);
    }

    makeControls() {
      const operators = Object.entries(this.said.operators)
        .map(([key, {title}]) => ({key, title}));
      this.estimators = this.select('estimator', 'restored by', this.operator.estimators);
      return element(
        'form', {class: 'controls', 'aria-label': 'What is shown'},
        this.select('photograph', 'photograph', this.said.photographs),
        this.select('operator', 'problem', operators),
        this.estimators, this.slider(), this.kinds());
    }

    makePanels() {
      const panels = PANELS.map(([key, title]) => {
        const side = this.said.side;
        this.canvases[key] = element('canvas', {width: side, height: side, role: 'img',
                                                'aria-label': title});
        return element('figure', {}, this.canvases[key], element('figcaption', {}, title));
      });
      return element('div', {class: 'panels'}, ...panels);
    }

    makeChart() {
      const names = [['attack', 'attacked'], ['noise', 'random noise'],
                     ['certain', 'certain, whatever the attack'],
                     ['linear', 'the best linear filter, at its worst']];
      const keys = names.map(([name, title]) => element('li', {class: name}, title));
      const note = element('p', {}, 'Numbers are measured before the pictures are compressed.');
      return element('div', {class: 'chart'}, this.chart.svg,
                     element('div', {}, element('ul', {}, ...keys), note));
    }

    choose(name, value) {
      this.choice[name] = value;
      if (name === 'operator') this.offerEstimators();
      this.show();
    }

    offerEstimators() {
      // Those of the operator; the one that was chosen, if it is among them.
      const select = this.estimators.querySelector('select');
      select.replaceChildren(...options(this.operator.estimators));
      if (this.numberOfEstimator < 0) this.choice.estimator = 'linear';
      select.value = this.choice.estimator;
    }

    show() {
      this.tell();
      this.draw();
    }

    tell() {
      const {estimator, radius, kind} = this.choice;
      const values = this.values[estimator];
      const [psnr, ssim] = values[kind][radius];
      const one = this.operator.estimators[this.numberOfEstimator];
      const levels = this.said.grey_levels[radius];
      const size = `eps_rel ${this.said.radii[radius]}, ${levels} of 255 grey levels`;
      this.radiusSaid.textContent = size;
      this.slide.setAttribute('aria-valuetext', size);
      this.told.textContent =
        `PSNR ${psnr.toFixed(2)} dB, SSIM ${ssim.toFixed(3)}. ${this.certainty(values)}`;
      const noise = one.sigma_g ? `, sigma_g ${one.sigma_g}` : '';
      this.about.textContent = one.model ? `${one.about} (${one.model}${noise})` : one.about;
      this.chart.show(values, this.values.linear, [radius, psnr]);
    }

    certainty(values) {
      const {estimator, radius} = this.choice;
      if (!radius) return 'Nothing is added.';
      if (!values.certain.length) return 'Another attack may do worse: nothing is certain.';
      const psnr = values.certain[radius - 1].toFixed(2);
      const exact = estimator === 'linear' || estimator === 'nothing';
      const why = exact ? 'its worst case is known' : this.said.certificate;
      return `Certain at this radius, whatever is added: ${psnr} dB (${why}).`;
    }

    async draw() {
      const asked = {...this.choice};
      const name = `${asked.photograph}_${asked.operator}`;
      const number = this.numberOfEstimator;
      const row = 2*number + (asked.kind === 'noise' ? 1 : 0);
      const rowOfChange = asked.kind === 'noise' ? 1 : number + (number ? 1 : 0);
      const [truth, clean, output, change] = await Promise.all([
        this.pictures.tile(`${name}_pair`, 0, 0),
        this.pictures.tile(`${name}_pair`, 0, 1),
        this.pictures.tile(`${name}_outputs`, row, asked.radius),
        asked.radius ? this.pictures.tile(`${name}_changes`, rowOfChange, asked.radius - 1)
          : grey(this.said.side),
      ]);
      if (Object.keys(asked).some(key => asked[key] !== this.choice[key])) return;   // outdated
      const factor = 255*this.said.radii[asked.radius]/this.said.rms;
      const shown = {truth, input: changed(clean, change, factor), change, output,
                     error: errorOf(output, truth)};
      for (const [key, data] of Object.entries(shown)) {
        this.canvases[key].getContext('2d').putImageData(data, 0, 0);
      }
      this.canvases.output.dataset.shown = JSON.stringify(asked);
    }
  }

  async function start(root) {
    const folder = root.dataset.rssrExplorer;
    try {
      const answer = await fetch(`${folder}/values.json`);
      if (!answer.ok) throw new Error(answer.statusText);
      new Explorer(root, folder, await answer.json());
    } catch (error) {
      root.append(element('p', {role: 'alert'}, `The pictures could not be read (${error.message}): `
        + 'open this page from a web server, such as python -m http.server.'));
    }
  }

  document.querySelectorAll('[data-rssr-explorer]').forEach(start);
})();
