/** The bar of the selected tasks: run, enable, disable, delete, add or remove a tag, each asked once for all of them. */
import { call } from "../core/api.js";
import { confirm, notice, openDialog } from "../core/dialog.js";
import { button, h, setText, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { store } from "../core/store.js";
import { listed, t } from "../i18n/i18n.js";
import { refuseDependents } from "./actions.js";

/** Ask for a tag. Resolves to it, or to "" if the user cancels. */
function askTag(title, label, offered) {
  return new Promise((resolve) => {
    let answer = "";
    const input = h("input", { "aria-label": t("tag"), list: "bulk-tags", autofocus: true, required: true, maxlength: 64 });
    const submit = (event) => {
      event.preventDefault();
      answer = input.value.trim();
      dialog.close();
    };
    const form = h("form", { id: "bulk-form", on: { submit } }, input, h("datalist", { id: "bulk-tags" }, offered.map((value) => h("option", { value }))));
    const dialog = openDialog({ title, body: form, kind: "question", onClose: () => resolve(answer), actions: [{ label: t("cancel") }] });
    dialog.footer.append(h("button", { class: "button primary", form: form.id, text: label }));
  });
}

export class BulkBar {
  /** `view`: what cards.js makes of itself; `controls`: those of controls.js. */
  constructor(view, controls) {
    this.controls = controls;
    this.progress = "";
    this.count = h("span", { class: "bulk-count", role: "status" });
    this.all = button("", () => controls.pick(controls.ids(), true));
    this.actions = [
      button(t("run_now"), () => this.run(), { icon: "play" }),
      button(t("enable"), () => this.change("enable", { enabled: true })),
      button(t("disable"), () => this.change("disable", { enabled: false })),
      button(t("add_tag"), () => this.changeTag("add_tag", "add_tags", [...store.tasks.keys()])),
      button(t("remove_tag"), () => this.changeTag("remove_tag", "remove_tags", this.ids())),
      button(t("delete"), () => this.remove(), { icon: "trash" }),
    ];
    this.el = h("div", { class: "bulk", role: "toolbar", "aria-label": t("select_tasks") }, this.count, this.all, this.actions, button(t("done"), () => controls.select(null)));
    view.el.append(this.el);
    this.show();
  }

  leave() {
    this.left = true;
    this.el.remove();
  }

  /** The selected tasks that exist. */
  ids() {
    return [...(this.controls.picked ?? [])].filter((id) => store.tasks.has(id));
  }

  show() {
    const n = this.ids().length;
    setText(this.count, this.progress || t("selected", { n }));
    setText(this.all, t("select_shown", { n: this.controls.ids().length }));
    for (const one of this.actions) one.disabled = !n || Boolean(this.progress);
  }

  /** Start the tasks one after the other, until the selection ends: each may be refused for a reason of its own. */
  async run() {
    const ids = this.ids();
    if (!(await confirm(this.question("run_now"), t("run_now"), { danger: false }))) return;
    const failed = [];
    let started = 0;
    for (const id of ids) {
      if (this.left) break;
      this.progress = `${started + failed.length} / ${ids.length}`;
      this.show();
      try {
        await call("POST", `/tasks/${id}/run`);
        started += 1;
      } catch (error) {
        failed.push(h("li", {}, h("strong", { text: visible(store.tasks.get(id)?.task_name ?? id) }), `: ${errorText(error)}`));
      }
    }
    this.progress = "";
    this.show();
    const result = t("many_started", { n: started });
    if (!failed.length) return notice(result, "good");
    openDialog({ title: t("many_failed", { n: failed.length }), body: [h("p", { text: result }), h("ul", { class: "bulk-failed" }, failed)], actions: [{ label: t("close") }] });
  }

  async change(name, fields) {
    if (await confirm(this.question(name), t(name), { danger: false })) await this.send(fields);
  }

  async remove() {
    const ids = this.ids();
    if (refuseDependents(ids)) return;
    const names = listed(ids.map((id) => visible(store.tasks.get(id).task_name)));
    const options = { detail: [names, t("delete_detail")], check: t("delete_check_many", { n: ids.length }) };
    if (await confirm(this.question("delete"), t("delete"), options)) await this.send({ delete: true }, ids);
  }

  /** Ask for a tag, offering those of the tasks `offering`. */
  async changeTag(name, field, offering) {
    const offered = [...new Set(offering.flatMap((id) => store.tasks.get(id)?.task_tags ?? []))].sort();
    const tag = await askTag(this.question(name), t(name), offered);
    if (tag) await this.send({ [field]: [tag] });
  }

  question(name) {
    return t("ask_many", { action: t(name), n: this.ids().length });
  }

  /** Change the tasks in one write of the config: all or, with the reason, none. `fields` as PATCH /tasks takes them. */
  async send(fields, ids = this.ids()) {
    try {
      const { changed, unchanged, missing } = (await call("PATCH", "/tasks", { task_ids: ids, ...fields })).data;
      const text = t(fields.delete ? "many_deleted" : "many_changed", { n: changed.length, same: unchanged.length });
      if (missing.length) notice(`${text} ${t("many_missing", { tasks: listed(missing) })}`, "bad");
      else notice(text, "good");
    } catch (error) {
      notice(errorText(error), "bad");
    }
  }
}
