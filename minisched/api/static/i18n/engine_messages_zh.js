/**
 * What the engine says in English in its history, its outbox and of its troubles, and the same in Chinese; loaded with
 * Chinese only. These texts are kept as they were written, by older versions too: so they are known again by their form.
 * `{name}` stands for what differs, and may be such a sentence itself; `{n}`, `{m}` and `{s}` are numbers. The first that
 * fits counts. What is not here (a server's answer, the words of the system) is shown as it came: no sentence is so
 * short or so open that it would fit that too.
 */
const SENTENCES = [
  // ---- messages: a webhook, and connections of all kinds ----
  ["no answer within {s} s; it may still arrive", "{s} 秒内没有应答；仍可能送达"],
  ["no answer within {s} s", "{s} 秒内没有应答"],
  ["no answer in time", "未及时应答"],
  ["the server closed the connection without an answer", "服务器未应答就关闭了连接"],
  ["the answer is no HTTP: {what}", "应答不是 HTTP：{what}"],
  ["the server cannot be reached: {why}", "无法连接服务器：{why}"],
  ["HTTP {n}: {what}", "HTTP {n}：{what}"],
  ["a redirect, which is not followed: name the address itself", "不跟随重定向，请直接填写目标地址"],
  ["{said} (HTTP {n})", "{said}（HTTP {n}）"],
  ["the answer has no {field}: it may be another server's", "应答中没有 {field}，可能来自其他服务器"],
  ["the service answers {field} {code}", "服务返回 {field} {code}"],
  ["the service does not answer \"ok\"", "服务没有返回 \"ok\""],
  ["the host is not known: {why}", "找不到主机：{why}"],
  ["the name has no address", "该名称没有对应的地址"],
  ["the name server does not answer", "域名服务器没有应答"],
  ["not the name of a host", "不是主机名"],
  ["its certificate is not trusted: {why}", "其证书不受信任：{why}"],
  ["has more than {n} bytes", "超过 {n} 字节"],
  ["holds no certificates in PEM form", "其中没有 PEM 格式的证书"],
  ["{what} cannot be read: {why}", "无法读取 {what}：{why}"],
  ["{place} is not UTF-8", "{place} 不是 UTF-8"],
  ["environment variable {name} is not set", "没有设置环境变量 {name}"],
  ["no regular file", "不是普通文件"],
  ["the url", "地址"],
  ["the secret", "密钥"],
  ["the url is not {rule}", "地址不是 {rule}"],
  ["header {name} is not {rule}", "请求头 {name} 不是 {rule}"],
  ["header {name}", "请求头 {name}"],
  ["an http:// or https:// address without a user name, blanks or templates", "以 http:// 或 https:// 开头的地址，不含用户名、空白和模板"],
  ["a text of printable ASCII characters", "由可打印 ASCII 字符组成的文本"],

  // ---- messages: a command, a file ----
  ["the command could not be started: {why}", "命令无法启动：{why}"],
  ["the command took longer than {s} s and was ended", "命令运行超过 {s} 秒，已被终止"],
  ["the command ended with {how}", "命令结束：{how}"],
  ["exit code {n}", "退出码 {n}"],
  ["signal {n}", "信号 {n}"],
  ["is a symbolic link, which is not followed", "是符号链接，不予跟随"],
  ["its folder does not exist", "其目录不存在"],
  ["is no regular file", "不是普通文件"],

  // ---- messages: a mail ----
  ["settings.smtp is not set, or has no from: there is nobody to send mail by", "没有设置 settings.smtp，或其中没有 from：没有发件人"],
  ["settings.smtp is not set: there is no server to send mail by", "没有设置 settings.smtp：没有可用的邮件服务器"],
  ["the mail is not sent: {why}", "邮件未发送：{why}"],
  ["it would have other headers than {names}; look at its templates and values", "除 {names} 外还会有其他邮件头；请检查模板和取值"],
  ["settings.smtp.from is no mail address; expected {one} or {other}", "settings.smtp.from 不是邮件地址；应如 {one} 或 {other}"],
  ["the mail cannot be written: {why}", "无法生成邮件：{why}"],
  ["{what}. A refusal for now (4xx) is not tried again where others have the mail: give such a recipient a channel of its own", "{what}。暂时拒收（4xx）在其他收件人已收到时不再重试：请为该收件人单设渠道"],
  ["A refusal for now (4xx) is not tried again where others have the mail: give such a recipient a channel of its own", "暂时拒收（4xx）在其他收件人已收到时不再重试：请为该收件人单设渠道"],
  ["taken for {n} of {m} recipients; refused for {whom}", "{m} 个收件人中已接受 {n} 个；被拒收：{whom}"],
  ["every recipient is refused: {said}", "所有收件人均被拒收：{said}"],
  ["no mail address", "不是邮件地址"],
  ["the mail server did not take the message within {s} s", "邮件服务器在 {s} 秒内没有接受邮件"],
  ["the mail server refuses the login", "邮件服务器拒绝登录"],
  ["the mail server refuses us: {said}", "邮件服务器拒绝此连接：{said}"],
  ["the mail server refuses {what}: {said}", "邮件服务器拒绝 {what}：{said}"],
  ["the sender", "该发件人"],
  ["the message", "该邮件"],
  ["the mail server closed the connection", "邮件服务器关闭了连接"],
  ["the mail server cannot be reached: {why}", "无法连接邮件服务器：{why}"],
  ["the mail server: {said}", "邮件服务器：{said}"],
  ["the user name or the password has characters that are not ASCII", "用户名或密码含有非 ASCII 字符"],

  // ---- messages: all ----
  ["its rule or channel is no longer in the config", "其规则或渠道已不在配置中"],
  ["too many waiting: more than {n}", "等待发送的消息过多：超过 {n} 条"],
  ["no thread to send by: {why}", "没有可用于发送的线程：{why}"],
  ["internal error: {what}; see logs/minisched.log", "内部错误：{what}；详见 logs/minisched.log"],
  ["internal error: {what}", "内部错误：{what}"],
  ["internal error", "内部错误"],

  // ---- runs: why a program did not start ----
  ["task_user {user}: there is no such user", "task_user {user}：没有此用户"],
  ["task_user {user}: only root can run a task as another user", "task_user {user}：只有 root 能以其他用户运行任务"],
  ["task_limits: {name} {wanted} is over the hard limit {hard} of the engine", "task_limits：{name} {wanted} 超过引擎的硬限制 {hard}"],
  ["not a folder that can be entered", "不是可进入的目录"],
  ["the interpreter in its #! line does not exist", "其 #! 行中的解释器不存在"],
  ["not executable (chmod +x)", "不可执行（chmod +x）"],
  ["no program, and a script with no #! line", "不是程序，也不是带 #! 行的脚本"],
  ["arguments and environment are too large together", "参数与环境变量合计过大"],
  ["task_exec is empty", "task_exec 为空"],
  ["task_exec, task_cwd or task_env cannot be encoded: {why}", "task_exec、task_cwd 或 task_env 无法编码：{why}"],
  ["{program} could not be started: {why}", "{program} 无法启动：{why}"],
  ["cancelled before it was started", "启动前已取消"],
  ["no descriptor left to start it: {why}", "没有可用的描述符来启动：{why}"],
  ["no thread for it: {why}", "没有可用的线程：{why}"],
  ["its exit status is lost: somebody else reaped it", "退出状态丢失：已被其他进程回收"],

  // ---- runs: what became of them ----
  ["ended after {s} s", "{s} 秒后被终止"],
  ["killed after {s} s", "{s} 秒后被强制终止"],
  ["{n} of max_running {m} processes run", "正在运行 {n} 个进程，上限 max_running 为 {m}"],
  ["its next due time came first", "下一次已先到时间"],
  ["the task was removed from the config", "任务已从配置中移除"],
  ["the task is no longer in the config", "任务已不在配置中"],
  ["the task was disabled", "任务已停用"],
  ["it was queued when the engine stopped", "引擎停止时仍在排队"],
  ["the engine was stopped", "引擎已停止"],
  ["the engine stopped before the process ended", "进程结束前引擎已停止"],
  ["not started", "未启动"],
  ["{n} left over were killed", "已终止 {n} 个残留进程"],
  ["run {n} is running by `exec`", "运行 {n} 正由 `exec` 执行"],
  ["run {n} is running", "运行 {n} 正在进行"],
  ["run {n} is queued", "运行 {n} 正在排队"],
  ["run {n} is retrying", "运行 {n} 等待重试"],
  ["{n} more", "另有 {n} 次"],
  ["{n} of the same moment", "同一时刻另有 {n} 次"],
  ["by API", "通过 API"],

  // ---- what troubles the engine ----
  ["the sender hangs at notification {n}, which should have ended after {s} s: no message is sent meanwhile; restart minisched to go on", "发送线程停在第 {n} 条消息，本应在 {s} 秒后结束：在此期间不发送任何消息；请重启 minisched"],
  ["nobody was told of {runs}: the messages could not be made; see logs/minisched.log", "{runs}没有通知任何人：无法生成消息；详见 logs/minisched.log"],
  ["the end of 1 run", "1 次运行的结束"],
  ["the ends of {n} runs", "{n} 次运行的结束"],
  ["the disk is nearly full", "磁盘空间即将用尽"],
  ["{place}: is writable by everyone; fix it with: {command}", "{place}：任何用户都可写入；请执行：{command}"],
  ["{place}: belongs to user {n}, who could change it; fix it with: {command}", "{place}：属于用户 {n}，可被其修改；请执行：{command}"],
  ["another engine runs on this home (pid {n})", "另一引擎正使用此目录（pid {n}）"],
  ["this home is locked", "此目录已被锁定"],
  ["the lock cannot be kept: {why}", "无法保持锁：{why}"],
  ["{lock} cannot be written, the commands do not find the page: {why}", "{lock} 无法写入，命令行找不到页面：{why}"],
  ["the page cannot be served at {address}: {why}", "无法在 {address} 提供页面：{why}"],
  ["{path}.db is gone: {why}", "{path}.db 已不存在：{why}"],
  ["{path}.db was replaced by another file", "{path}.db 已被另一文件取代"],
  ["{path}.db was cut from {n} to {m} bytes", "{path}.db 从 {n} 字节被截短到 {m} 字节"],
  ["the removed history was saved from the open file", "被删除的历史已从打开的文件中保存"],
  ["the removed history could not be saved ({why})", "被删除的历史无法保存（{why}）"],
  ["the damaged history was moved to {path}", "损坏的历史已移到 {path}"],
  ["{path}.db is missing although this home had a history", "{path}.db 不存在，而此目录本有历史"],
  ["{path}.db is empty although this home had a history", "{path}.db 为空，而此目录本有历史"],
  ["it was moved to {path} and a new history was begun", "已移到 {path}，并新建了历史"],
  ["what was left is at {path}", "剩余部分在 {path}"],
  ["a new one was begun", "已新建历史"],
  ["{path}.db holds another history ({now}) than this home had before ({before})", "{path}.db 中是另一份历史（{now}），此目录之前的是（{before}）"],
  ["{path}.db has schema version {found}, this minisched knows versions up to {known}", "{path}.db 的结构版本为 {found}，此 minisched 只认识到版本 {known}"],
  ["run the newer minisched, or move the file away (a copy from before the upgrade may stand beside it as {copy})", "请运行更新的 minisched，或移走该文件（旁边可能有升级前的副本 {copy}）"],
  ["{path}.db has schema version {found}", "{path}.db 的结构版本为 {found}"],
  ["start the engine once to upgrade it", "请启动一次引擎以完成升级"],
  ["{task} has a run for the due time {time} already", "{task} 在应运行时间 {time} 已有一次运行"],
  ["another process has started {task}", "另一进程已启动 {task}"],
  ["{path} cannot be moved aside: {why}", "无法移开 {path}：{why}"],
  ["{path}.db: {names} missing", "{path}.db：缺少 {names}"],

  // ---- a request that is not taken ----
  ["query parameter \"{name}\": expected {rule}", "参数 \"{name}\"：应为 {rule}"],
  ["a text of at most {n} characters", "最多 {n} 个字符的文本"],
  ["the request target has more than {n} bytes", "请求的地址超过 {n} 字节"],
];
const JOINTS = [["; ", "；"], [": ", "："], [", ", "，"]]; // sentences that stand beside each other
const HAN = /[\u4e00-\u9fff]/;

let forms = null; // [pattern, names, Chinese]

function formOf([english, chinese]) {
  const names = [];
  const plain = english.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  const pattern = plain.replace(/\{(\w+)\}/g, (_, name) => (names.push(name), /^[nms]$/.test(name) ? "([\\d.]+)" : "(.+?)"));
  return [new RegExp(`^${pattern}$`, "s"), names, chinese];
}

/** Puts the values in; between two Chinese characters stands no blank. */
function filled(chinese, values) {
  return chinese.replace(/( ?)\{(\w+)\}( ?)/g, (_, before, name, after) => {
    const value = values[name];
    return `${HAN.test(value[0]) ? "" : before}${value}${HAN.test(value.at(-1)) ? "" : after}`;
  });
}

function whole(text) {
  forms ??= SENTENCES.map(formOf);
  for (const [pattern, names, chinese] of forms) {
    const found = pattern.exec(text);
    if (found) return filled(chinese, Object.fromEntries(names.map((name, i) => [name, inChinese(found[i + 1])])));
  }
  return null;
}

/** Of a text in parts, those that are known; null where none is. */
function inParts(text, joint, chineseJoint) {
  const parts = text.split(joint);
  if (parts.length < 2) return null;
  const found = parts.map(known);
  if (found.every((one) => one === null)) return null;
  let told = "";
  parts.forEach((part, i) => {
    if (i) told += found[i - 1] === null && found[i] === null ? joint : chineseJoint;
    told += found[i] ?? part;
  });
  return told;
}

function known(text) {
  const found = whole(text);
  if (found !== null) return found;
  for (const [joint, chinese] of JOINTS) {
    const parts = inParts(text, joint, chinese);
    if (parts !== null) return parts;
  }
  return null;
}

/** The text in Chinese as far as it is known, else as it is. */
export function inChinese(text) {
  return known(text) ?? text;
}
