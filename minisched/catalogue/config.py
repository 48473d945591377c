"""Errors in the config file and in JSON bodies, and what each field means."""

TEXTS: dict[str, tuple[str, str]] = {
    # JSON that cannot be read.
    "config.json.at": ("line {line}, column {column}: {text}", "第 {line} 行，第 {column} 列：{text}"),
    "config.json.place": ("line {line}, column {column}:", "第 {line} 行，第 {column} 列："),
    "config.json.too_large": (
        "has {bytes} bytes; at most {max_bytes} are allowed",
        "共 {bytes} 字节；最多允许 {max_bytes} 字节",
    ),
    "config.json.bom": (
        "begins with a byte order mark (BOM); save it as UTF-8 without BOM",
        "以字节顺序标记（BOM）开头；请保存为不带 BOM 的 UTF-8",
    ),
    "config.json.encoding": ("looks like {encoding}; save it as UTF-8", "似为 {encoding} 编码；请保存为 UTF-8"),
    "config.json.not_utf8": (
        "byte {byte} (offset {offset}) is not UTF-8; save the file as UTF-8",
        "字节 {byte}（偏移 {offset}）不是 UTF-8；请将文件保存为 UTF-8",
    ),
    "config.json.empty": (
        'is empty; expected an object such as {"tasks": []}',
        '内容为空；应为对象，如 {"tasks": []}',
    ),
    "config.json.too_deep": (
        "lists and objects are nested deeper than {max} levels",
        "列表与对象的嵌套超过 {max} 层",
    ),
    "config.json.unclosed": (
        "unexpected end; a bracket or brace above is not closed",
        "内容到此意外结束；前面有未闭合的括号",
    ),
    "config.json.unclosed_text": (
        "the text that starts here has no closing quote",
        "从此处开始的文本没有右引号",
    ),
    "config.json.raw_control": (
        "unescaped {found} in a text; write it as an escape such as \\n or \\t",
        "文本中有未转义的 {found}；请写作转义，如 \\n 或 \\t",
    ),
    "config.json.bad_escape": (
        r"invalid escape; for a backslash write \\",
        r"无效的转义；反斜杠本身应写作 \\",
    ),
    "config.json.trailing_comma": (
        'unexpected "," before "{bracket}"; remove the comma',
        '"{bracket}" 之前多了一个 ","；请删去逗号',
    ),
    "config.json.full_width": (
        "found the full-width character {found}; write {ascii} instead",
        "此处是全角字符 {found}；请改为半角 {ascii}",
    ),
    "config.json.found": ("found {found}; {why}", "此处为 {found}；{why}"),
    "config.json.write": ("write {word}", "应写作 {word}"),
    "config.json.double_quotes": ("texts need double quotes", "文本须用双引号"),
    "config.json.no_comments": ("JSON has no comments", "JSON 不支持注释"),
    "config.json.end_expected": ("expected the end of the file", "文件应在此处结束"),
    "config.json.comma_expected": (
        'expected a "," or a closing bracket before it',
        '之前应有 "," 或右括号',
    ),
    "config.json.colon_expected": ('expected a ":" before it', '之前应有 ":"'),
    "config.json.name_expected": ("expected a field name in double quotes", "应为双引号中的字段名"),
    "config.json.value_expected": ("expected a value", "应为一个值"),
    # Values that JSON readers treat differently.
    "config.json.twice": (
        "occurs twice, in line {first} and in line {second}; remove one",
        "重复出现，见第 {first} 行和第 {second} 行；请删去其一",
    ),
    "config.json.number": (
        "is {number} in line {line}; expected a finite number of at most {digits} digits",
        "在第 {line} 行的值为 {number}；应为最多 {digits} 位的有限数值",
    ),
    "config.json.many_digits": ("a number of {count} digits", "{count} 位的数"),
    "config.json.big_integer": (
        "is {number}; expected an integer of at most {max}",
        "值为 {number}；整数不得超过 {max}",
    ),
    "config.json.long_text": (
        "is a text of {length} characters; expected at most {max}",
        "文本有 {length} 个字符；最多允许 {max} 个",
    ),
    "config.json.bad_character": (
        "contains a NUL character or an unpaired surrogate",
        "含有 NUL 字符或不成对的代理项",
    ),
}
