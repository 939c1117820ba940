// What was said, as the Realtime API's events tell it. One list item per conversation item or notice.

const HEARD = "conversation.item.input_audio_transcription.";

export class Transcript {
  #section;
  #list;
  #turns = new Map();

  /** @param {HTMLElement} section shown once there is text @param {HTMLElement} list */
  constructor(section, list) {
    this.#section = section;
    this.#list = list;
  }

  get open() {
    return this.#turns.size > 0;
  }

  clear() {
    this.#turns.clear();
    this.#list.replaceChildren();
    this.#section.hidden = true;
    document.body.classList.remove("has-transcript");
  }

  /** Takes any server event; those without text for a person are none of its business. */
  receive(event) {
    switch (event.type) {
      case `${HEARD}delta`:
        return this.#append("you", event.item_id, event.delta);
      case `${HEARD}completed`:
        return this.#replace("you", event.item_id, event.transcript);
      case `${HEARD}failed`:
        return this.#replace("problem", event.item_id, event.error?.message ?? "This could not be transcribed.");
      case "response.output_text.delta":
      case "response.output_audio_transcript.delta":
        return this.#append("worker", event.item_id ?? event.response_id, event.delta);
      case "error":
        return this.#append("problem", event.event_id ?? crypto.randomUUID(), event.error?.message);
    }
  }

  #append(who, id, text) {
    if (text) this.#write(this.#turn(who, id), text, false);
  }

  #replace(who, id, text) {
    if (text) this.#write(this.#turn(who, id), text, true);
  }

  #write(paragraph, text, whole) {
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    paragraph.textContent = whole ? text : paragraph.textContent + text;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  #turn(who, id) {
    const known = this.#turns.get(`${who}/${id}`);
    if (known) return known;
    const item = document.createElement("li");
    item.className = `turn turn-${who}`;
    const name = document.createElement("span");
    name.className = "turn-name";
    name.textContent = { you: "You", worker: "Worker", problem: "Notice" }[who];
    const paragraph = document.createElement("p");
    item.append(name, paragraph);
    this.#list.append(item);
    this.#turns.set(`${who}/${id}`, paragraph);
    this.#section.hidden = false;
    document.body.classList.add("has-transcript");
    return paragraph;
  }
}
