/* Long lists: only the rows in sight are elements. */

const SPARE = 8; // rows beyond either edge, so that a fast wheel finds them

/** Rows of one height in a box that scrolls. `render(i)` makes the element of row i. */
class VirtualList {
  constructor(box, rows, height, render) {
    Object.assign(this, { box, rows, height, render, count: 0, waiting: false });
    box.addEventListener("scroll", () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(box);
  }

  resize(count) {
    this.count = count;
    this.rows.style.height = `${count * this.height}px`;
    this.paint();
  }

  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const top = this.box.scrollTop - this.offset();
    const first = Math.max(0, Math.floor(top / this.height) - SPARE);
    const last = Math.min(this.count, Math.ceil((top + this.box.clientHeight) / this.height) + SPARE);
    const shown = [];
    for (let i = first; i < last; i++) {
      const element = this.render(i);
      element.style.top = `${i * this.height}px`;
      shown.push(element);
    }
    this.rows.replaceChildren(...shown);
  }

  /** Scroll until a row is in sight; in the middle where it was not. */
  reveal(index) {
    const head = this.offset();
    const [top, height] = [index * this.height, this.box.clientHeight - head];
    if (top < this.box.scrollTop) this.box.scrollTop = Math.max(0, top - height / 3);
    else if (top + this.height > this.box.scrollTop + height) this.box.scrollTop = top - height / 3;
    this.paint();
  }

  /** Height of what stands above the rows and stays in sight. */
  offset() {
    return this.rows.previousElementSibling?.offsetHeight ?? 0;
  }
}
