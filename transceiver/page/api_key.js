// The API key: from the address (#key=…), else asked for once. It lives in this tab's session storage and nowhere else.

const SLOT = "offhook.api_key";

/** Takes the key out of the address, so that it is neither seen over a shoulder nor copied with the link. */
function takeFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const key = fragment.get("key");
  if (!key) return;
  sessionStorage.setItem(SLOT, key);
  fragment.delete("key");
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
}

export class ApiKey {
  #dialog;
  #field;

  /** @param {HTMLDialogElement} dialog holds a form with one input */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#field = dialog.querySelector("input");
    takeFromAddress();
  }

  get held() {
    return sessionStorage.getItem(SLOT);
  }

  /** The key, asked for if there is none; null when the person closes the question. */
  async get() {
    return this.held ?? (await this.#ask());
  }

  forget() {
    sessionStorage.removeItem(SLOT);
  }

  #ask() {
    const form = this.#dialog.querySelector("form");
    return new Promise((resolve) => {
      const submitted = (event) => {
        event.preventDefault();
        sessionStorage.setItem(SLOT, this.#field.value.trim());
        this.#dialog.close();
      };
      form.addEventListener("submit", submitted);
      this.#dialog.addEventListener(
        "close",
        () => {
          form.removeEventListener("submit", submitted);
          this.#field.value = "";
          resolve(this.held);
        },
        { once: true },
      );
      this.#dialog.showModal();
    });
  }
}
