// A loader for the files of npm packages, which stand in `files` by path: `load(package)` gives what it exports.
const mains = {
    jssip: 'jssip/lib/JsSIP.js',
    debug: 'debug/src/browser.js',
    events: 'events/events.js',
    ms: 'ms/index.js',
    'sdp-transform': 'sdp-transform/lib/index.js',
};
const loaded = {};

function load(name, from = '') {
    let path = mains[name];
    if (!path) {
        const base = new URL(name, `file:///${from}`).pathname.slice(1);
        path = [base, `${base}.js`, `${base}/index.js`].find((p) => window.files[p]);
        if (!path) throw new Error(`${from} wants ${name}`);
    }
    if (!loaded[path]) {
        const module = (loaded[path] = { exports: {} });
        window.files[path]((wanted) => load(wanted, path), module, module.exports);
    }
    return loaded[path].exports;
}
