// An agent of JsSIP in a page: `agent` registers, calls, answers, and says what it saw and what it hears.
// Each event is kept; `agent.wait(name)` resolves with the next one of that name after the last that was waited for.
window.agent = {
    JsSIP: load('jssip'),
    seen: [],
    taken: 0,
    waiting: [],
    held: false,

    note(name, data = {}) {
        this.seen.push({ name, data });
        this.waiting.splice(0).forEach((look) => look());
    },

    async wait(name, seconds = 20) {
        const end = performance.now() + seconds * 1000;
        for (;;) {
            const at = this.seen.findIndex((event, i) => i >= this.taken && event.name === name);
            if (at >= 0) {
                this.taken = at + 1;
                return this.seen[at].data;
            }
            const left = end - performance.now();
            if (left <= 0) throw new Error(`no ${name}; since the last one: ${JSON.stringify(this.seen.slice(this.taken))}`);
            await new Promise((done) => {
                this.waiting.push(done);
                setTimeout(done, left);
            });
        }
    },

    async start(user, domain, password, socket) {
        const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
        this.microphone = await navigator.mediaDevices.getUserMedia({ audio: plain });
        this.sound = new AudioContext();
        await this.sound.resume();
        this.ua = new this.JsSIP.UA({
            uri: `sip:${user}@${domain}`,
            password,
            sockets: [new this.JsSIP.WebSocketInterface(socket)],
            session_timers: false,
        });
        for (const name of ['registered', 'registrationFailed', 'disconnected']) {
            this.ua.on(name, (e) => this.note(name, { cause: e.cause }));
        }
        this.ua.on('newRTCSession', (e) => this.follow(e.session, e.originator));
        this.ua.start();
        await this.wait('registered');
    },

    follow(session, originator) {
        // While it is transferred it has two: the call of old goes on until its peer ends it.
        (this.sessions ??= []).push(session);
        this.session = session;
        session.on('peerconnection', (e) => this.listen(e.peerconnection));
        if (session.connection) this.listen(session.connection);
        for (const name of ['progress', 'accepted', 'confirmed']) session.on(name, () => this.note(name));
        for (const name of ['ended', 'failed', 'hold', 'unhold']) {
            session.on(name, (e) => this.note(name, { by: e.originator, cause: e.cause }));
        }
        session.on('newDTMF', (e) => e.originator === 'remote' && this.note('dtmf', { tone: e.dtmf.tone }));
        session.on('refer', (e) => {
            this.note('refer', { to: e.request.refer_to.uri.user });
            e.accept(null, this.media());
        });
        // Somebody else takes the place of its peer: a session of its own, to be answered as any other.
        session.on('replaces', (e) => e.accept(() => {}));
        this.note('session', { by: originator });
    },

    media() {
        // Its own copy: a call that is held switches the track off.
        const stream = this.microphone.clone();
        this.camera?.getVideoTracks().forEach((track) => stream.addTrack(track.clone()));
        return { mediaStream: stream, pcConfig: { iceServers: [] } };
    },

    // Calls from now on have video.
    async film(width, height) {
        this.camera = await navigator.mediaDevices.getUserMedia({ video: { width, height, frameRate: 15 } });
    },

    listen(connection) {
        connection.ontrack = (e) => {
            const stream = new MediaStream([e.track]);
            if (e.track.kind === 'video') {
                this.screen = document.createElement('video');
                Object.assign(this.screen, { muted: true, srcObject: stream });
                document.body.append(this.screen);
                this.screen.play();
                return;
            }
            // A remote track gives samples only while an element plays it.
            this.player ??= new Audio();
            this.player.srcObject = stream;
            this.player.play();
            this.ear = new AnalyserNode(this.sound, { fftSize: 16384 });
            this.sound.createMediaStreamSource(stream).connect(this.ear);
            this.note('track');
        };
    },

    call(target) {
        this.ua.call(target, this.media());
    },

    answer() {
        this.session.answer(this.media());
    },

    // Resolves when the peer has answered the re-INVITE.
    change(verb) {
        return new Promise((done, failed) => {
            if (!this.session[verb]({}, done)) failed(new Error(`${verb} refused`));
        });
    },

    // The peer of `session` is sent elsewhere, in the place of ours in `replaces` where that is given.
    refer(target, session = this.session, replaces = undefined) {
        const handlers = {};
        for (const name of ['requestSucceeded', 'requestFailed', 'progress', 'accepted', 'failed']) {
            handlers[name] = () => this.note(`refer ${name}`);
        }
        session.refer(target, { eventHandlers: handlers, replaces });
    },

    // The newest third of a second, 16 bit.
    heard() {
        if (!this.ear) return { rate: this.sound.sampleRate, samples: [] };
        const samples = new Float32Array(this.ear.fftSize);
        this.ear.getFloatTimeDomainData(samples);
        return { rate: this.sound.sampleRate, samples: Array.from(samples, (s) => Math.round(s * 32767)) };
    },

    // What of the peer's video is decoded: its size, and how many frames.
    async watched() {
        let frames = 0;
        const connection = this.session.connection;
        (await connection.getStats()).forEach((s) => {
            if (s.type === 'inbound-rtp' && s.kind === 'video') frames = Math.max(frames, s.framesDecoded);
        });
        return { width: this.screen?.videoWidth ?? 0, height: this.screen?.videoHeight ?? 0, frames };
    },

    async stats() {
        const all = {};
        (await this.session.connection.getStats()).forEach((s) => (all[s.type] = s));
        return all;
    },
};
